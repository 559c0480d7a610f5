"""Weighted transformed teacher matching: the published loss, by its authors and by hand."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from spaces import Wttm
from tests.objectives.training.known_logits import (
    LABELS,
    STUDENT,
    TEACHER,
    loss_of,
    taught,
)

PUBLISHED = {1.0: 1.2180682108308905, 4.0: 1.7199508187138612, 10.0: 2.945557677908829}
"""What the authors' own function says of these logits, by temperature."""


@pytest.mark.parametrize("temperature", PUBLISHED)
@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_the_teachers_part_is_the_authors_own(beta, temperature):
    expected = beta * PUBLISHED[temperature]
    assert taught(Wttm(beta, temperature)) == pytest.approx(expected, rel=1e-12)


def test_where_the_teacher_is_as_sure_of_every_class_its_image_counts_by_their_number():
    """p' is uniform and U = classes^(1 - 1/T): beta U (log q's mean, negated, less log classes)."""
    for temperature in (1.0, 2.0, 5.0):
        found = taught(Wttm(1.0, temperature), STUDENT, torch.zeros_like(TEACHER))
        divergence = -STUDENT.log_softmax(1).mean() - math.log(4)
        assert found == pytest.approx(4 ** (1 - 1 / temperature) * divergence.item(), rel=1e-12)


def test_at_weight_0_the_labels_are_all_there_is():
    assert not Wttm(0.0).needs_teacher
    assert torch.equal(loss_of(Wttm(0.0)), cross_entropy(STUDENT, LABELS))
