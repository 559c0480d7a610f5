"""Label smoothing: the published loss by hand, and what it is at 0."""

import pytest
import torch

from spaces import Distill, LabelSmoothing, Network, NoTeacher, StudentConfig, student_key
from tests.objectives.training.known_logits import CLASS_WEIGHTS, LABELS, STUDENT, loss_of


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("weights", [None, CLASS_WEIGHTS], ids=["alike", "weighed"])
def test_the_loss_is_cross_entropy_with_the_smoothed_labels(smoothing, weights):
    """Equation 4 there: (1 - smoothing) H(label, q) + smoothing H(uniform, q)."""
    smoothed = (1 - smoothing) * torch.eye(4, dtype=torch.float64)[LABELS] + smoothing / 4
    counts = torch.ones(4, dtype=torch.float64) if weights is None else weights
    terms = -smoothed * counts * STUDENT.log_softmax(1)
    loss = loss_of(LabelSmoothing(smoothing), weights=weights)
    torch.testing.assert_close(loss, terms.sum() / counts[LABELS].sum())


def test_at_0_it_is_the_labels_alone_under_a_name_of_its_own():
    assert torch.equal(loss_of(LabelSmoothing(0.0)), loss_of(NoTeacher()))
    keys = {
        student_key(StudentConfig(Network(), (Distill(method=method),), seed=0))
        for method in (NoTeacher(), LabelSmoothing(0.0), LabelSmoothing(), LabelSmoothing(0.2))
    }
    assert len(keys) == 4


def test_it_asks_no_teacher_and_says_so():
    stage = Distill(method=LabelSmoothing(0.2))
    assert not stage.method.needs_teacher
    assert (stage.became, stage.in_words) == ("trained", "labels smoothed by 0.2")
