"""Distillation by relations: the published loss, what it leaves free, and batches of one image."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from objectives.training.methods.dist import pearson_distance
from spaces import Dist
from tests.objectives.training.known_logits import (
    LABELS,
    STUDENT,
    TEACHER,
    loss_of,
    taught,
)

PUBLISHED = {
    (1.0, 1.0, 1.0): 1.8957227912535988,
    (1.0, 0.0, 1.0): 0.6828482907414717,
    (2.0, 2.0, 4.0): 39.131342453501276,
    (0.0, 1.0, 4.0): 11.989123548875845,
}
"""What the authors' own function says of these logits, by beta, gamma and temperature."""


@pytest.mark.parametrize("settings", PUBLISHED)
def test_the_teachers_part_is_the_authors_own(settings):
    assert taught(Dist(*settings)) == pytest.approx(PUBLISHED[settings], rel=1e-12)


def test_relations_are_pearsons_correlations():
    expected = [1 - np.corrcoef(s, t)[0, 1] for s, t in zip(STUDENT, TEACHER, strict=True)]
    assert pearson_distance(STUDENT, TEACHER).item() == pytest.approx(np.mean(expected), rel=1e-6)
    for same in (STUDENT, 3 * STUDENT + 2):
        assert pearson_distance(STUDENT, same).item() == pytest.approx(0, abs=1e-7)
    assert pearson_distance(STUDENT, -STUDENT).item() == pytest.approx(2, rel=1e-7)


def test_of_one_image_no_class_relates_and_nothing_is_learned_from_it():
    student = STUDENT[:1].clone().requires_grad_()
    within = loss_of(Dist(0.0, 1.0, 1.0), student, TEACHER[:1], LABELS[:1])
    assert (within - cross_entropy(student, LABELS[:1])).item() == pytest.approx(1)
    within.backward()
    labels_part = STUDENT[:1].softmax(1) - torch.eye(4, dtype=torch.float64)[LABELS[:1]]
    torch.testing.assert_close(student.grad, labels_part)


def test_without_either_weight_the_labels_are_all_there_is():
    assert not Dist(0.0, 0.0).needs_teacher
    assert torch.equal(loss_of(Dist(0.0, 0.0)), cross_entropy(STUDENT, LABELS))
    assert Dist(0.0, 1.0).needs_teacher
    assert Dist(1.0, 0.0).needs_teacher
