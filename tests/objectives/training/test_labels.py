"""The labels' part of every method's loss, where an image has one label and where it has two."""

import pytest
import torch

from objectives.data import Batch, Mixed
from objectives.training.methods.labels import labels_loss
from tests.objectives.training.known_logits import CLASS_WEIGHTS, LABELS, STUDENT

OTHERS = torch.tensor([0, 3, 0])
"""What they are mixed with: each of them another of them."""


def loss_of(share, labels=LABELS, others=OTHERS, weights=None, smoothing=0.0):
    batch = Batch(
        torch.zeros(3, 3, 8, 8), labels, torch.arange(3), weights, mixed=Mixed(others, share)
    )
    return labels_loss(STUDENT, batch, smoothing=smoothing).item()


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_is_the_cross_entropy_with_labels_that_are_mixed(share, smoothing):
    """H(y, q) = -sum y log q, with y = share * onehot(own) + (1 - share) * onehot(other)."""
    onehot = torch.eye(4, dtype=torch.float64)
    mixture = share * onehot[LABELS] + (1 - share) * onehot[OTHERS]
    mixture = (1 - smoothing) * mixture + smoothing / 4
    by_hand = -(mixture * STUDENT.log_softmax(1)).sum(1).mean().item()
    assert loss_of(share, smoothing=smoothing) == pytest.approx(by_hand, rel=1e-12)


def test_every_label_counts_as_its_class_does():
    """The mean is over the weights of all labels, each times its share."""
    logs = -STUDENT.log_softmax(1)
    parts = [(0.3, LABELS), (0.7, OTHERS)]
    total = sum(s * (CLASS_WEIGHTS[y] * logs[range(3), y]).sum() for s, y in parts)
    weight = sum(s * CLASS_WEIGHTS[y].sum() for s, y in parts)
    assert loss_of(0.3, weights=CLASS_WEIGHTS) == pytest.approx((total / weight).item(), rel=1e-12)


def test_an_image_of_one_label_is_what_it_was():
    batch = Batch(torch.zeros(3, 3, 8, 8), LABELS, torch.arange(3), CLASS_WEIGHTS)
    expected = torch.nn.functional.cross_entropy(STUDENT, LABELS, weight=CLASS_WEIGHTS)
    assert torch.equal(labels_loss(STUDENT, batch), expected)
