"""Relational distillation: the published loss, its invariances, and images that are alike."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from objectives.data import Batch
from objectives.training import Seen, training_method
from spaces import METHODS
from tests.objectives.training.waves import waves

RKD = METHODS["rkd"]

STUDENT, TEACHER = waves(6, 3, step=0.7), waves(6, 4, step=1.3)
LOGITS, GUIDE = waves(6, 4, step=0.4), waves(6, 4, step=0.9)
LABELS = torch.tensor([3, 0, 0, 1, 2, 1])
BATCH = Batch(torch.zeros(6, 3, 8, 8), LABELS, torch.arange(6))
DISTANCE, ANGLE = 0.21041230949020076, 0.17795177573822815
"""What the code of Tian et al. 2020 says of STUDENT and TEACHER, and mdistiller's too."""


def loss_of(settings, student, teacher, logits=LOGITS):
    seen = Seen(logits, {"a": student}), Seen(GUIDE, {"b": teacher})
    return training_method(settings)(*seen, BATCH, epoch=1)


@pytest.mark.parametrize("weights", [(25.0, 50.0), (1.0, 0.0), (0.0, 1.0)])
def test_the_loss_is_the_authors_own(weights):
    distance, angle = weights
    settings = RKD(distance_weight=distance, angle_weight=angle)
    expected = cross_entropy(LOGITS, LABELS).item() + distance * DISTANCE + angle * ANGLE
    assert loss_of(settings, STUDENT, TEACHER).item() == pytest.approx(expected, rel=1e-9)


def test_embeddings_are_rows_and_maps_and_tokens_by_their_mean():
    maps = STUDENT[:, :, None, None] + waves(6, 3, 2, 2, step=0.2)
    tokens = TEACHER[:, None] + waves(6, 5, 4, step=0.3)
    expected = loss_of(RKD(), maps.mean((2, 3)), tokens.mean(1)).item()
    assert loss_of(RKD(), maps, tokens).item() == pytest.approx(expected, rel=1e-9)


def test_neither_shift_nor_scale_nor_rotation_of_embeddings_matters():
    turn, _ = torch.linalg.qr(waves(4, 4, step=0.37))
    logit = training_method(METHODS["logit"](0.4, 2.0))
    expected = logit(Seen(LOGITS), Seen(GUIDE), BATCH, epoch=1).item()
    found = loss_of(RKD(0.4, 2.0), 3 * TEACHER @ turn + 1, TEACHER)
    assert found.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("rows", [1, 2, 6])
def test_images_that_look_alike_are_no_division_by_zero(rows):
    alike = torch.ones(6, 3, dtype=torch.float64, requires_grad=True)
    pushed = torch.where(torch.arange(6)[:, None] < rows, alike, STUDENT)
    loss = loss_of(RKD(), pushed, TEACHER)
    loss.backward()
    assert loss.isfinite()
    assert alike.grad.isfinite().all()


@pytest.mark.parametrize("apart", [0.0, 1e-7])
def test_images_that_all_but_look_alike_do_not_push_harder_than_others(apart):
    student = STUDENT.clone()
    student[1] = student[0] + apart
    student.requires_grad_()
    loss_of(RKD(), student, TEACHER).backward()
    assert student.grad.abs().max() < 1e4
