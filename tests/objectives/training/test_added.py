"""What methods share that add to the cross-entropy what they make of both networks' logits."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from spaces import Dist, Dkd, Wttm
from tests.objectives.training.known_logits import (
    CLASS_WEIGHTS,
    LABELS,
    STUDENT,
    TEACHER,
    loss_of,
)


@pytest.mark.parametrize("method", [Dist, Dkd, Wttm])
def test_an_image_counts_with_its_label_as_much_as_its_class_does_and_with_its_teacher_as_any(
    method,
):
    moved = loss_of(method(), weights=CLASS_WEIGHTS) - loss_of(method())
    expected = cross_entropy(STUDENT, LABELS, CLASS_WEIGHTS) - cross_entropy(STUDENT, LABELS)
    torch.testing.assert_close(moved, expected)


@pytest.mark.parametrize("method", [Dkd, Wttm])
def test_a_teacher_that_is_sure_beyond_all_others_gives_finite_gradients(method):
    student = (1e4 * STUDENT).float().requires_grad_()
    loss_of(method(temperature=1.0), student, 1e4 * TEACHER.float()).backward()
    assert student.grad.isfinite().all()
