"""Hints (FitNets): the published loss, its regressor, and the layers it compares."""

import pytest
import torch
from torch.nn.functional import cross_entropy, mse_loss

from objectives.data import Batch
from objectives.models import initialised_model
from objectives.training import AskedTeacher, Seen, training_method
from objectives.training.methods.hint import epochs_of
from objectives.training.taps import tapping
from spaces import METHODS, InputError, Network
from tests.objectives.training.waves import waves

HINT = METHODS["hint"]

STUDENT, TEACHER = waves(3, 2, 4, 4, step=0.7), waves(3, 5, 4, 4, step=1.3)
LOGITS, GUIDE = waves(3, 4, step=0.4), waves(3, 4, step=0.9)
LABELS = torch.tensor([3, 0, 0])
BATCH = Batch(torch.zeros(3, 3, 8, 8), LABELS, torch.arange(3))
PUBLISHED = 1.5803962418515074
"""What the code of Tian et al. 2020 says of these maps: its ConvReg, weights waves(0.3), unbiased
and not rectified, before its HintLoss."""


def a_method(student, teacher, **settings):
    """Return the method with the weights of PUBLISHED, and both networks as it sees them."""
    method = training_method(HINT(**settings))
    seen = Seen(LOGITS, {"a": student}), Seen(GUIDE, {"b": teacher})
    method.prepare(*seen, LABELS)
    method.double()
    (regressor,) = method.regressors
    channels, _, *kernel = regressor[0].weight.shape
    with torch.no_grad():
        regressor[0].weight.copy_(waves(channels, student.shape[1], *kernel, step=0.3))
    return method, seen


@pytest.mark.parametrize("weight", [100.0, 0.5])
def test_the_loss_is_the_authors_own(weight):
    method, seen = a_method(STUDENT, TEACHER, weight=weight)
    expected = cross_entropy(LOGITS, LABELS).item() + weight * PUBLISHED
    assert method(*seen, BATCH, epoch=1).item() == pytest.approx(expected, rel=1e-9)


def test_the_logits_part_is_that_of_plain_distillation_and_classes_have_their_weights():
    method, seen = a_method(STUDENT, TEACHER, alpha=0.3, temperature=2.0)
    weights = torch.tensor([1.0, 2.0, 0.5, 3.0], dtype=torch.float64)
    batch = Batch(BATCH.images, LABELS, BATCH.positions, weights)
    logit = training_method(METHODS["logit"](0.3, 2.0))(*seen, batch, epoch=1).item()
    found = method(*seen, batch, epoch=1).item()
    assert found == pytest.approx(logit + 100 * PUBLISHED, rel=1e-9)


@pytest.mark.parametrize(("size", "other"), [(4, 8), (8, 4), (6, 4)])
def test_the_larger_map_is_pooled_to_the_smaller(size, other):
    student, teacher = waves(3, 2, size, size, step=0.7), waves(3, 5, other, other, step=1.3)
    method, seen = a_method(student, teacher)
    side = min(size, other)
    pooled = [torch.nn.AdaptiveAvgPool2d(side)(maps) for maps in (student, teacher)]
    (regressor,) = method.regressors
    expected = cross_entropy(LOGITS, LABELS) + 100 * mse_loss(regressor(pooled[0]), pooled[1])
    assert method(*seen, BATCH, epoch=1).item() == pytest.approx(expected.item(), rel=1e-9)


def test_several_layers_are_compared_in_the_order_in_which_they_are_named():
    settings = HINT(student_layer="x, y", teacher_layer="v,w")
    assert settings.layers("student") == ("x", "y")
    method = training_method(settings)
    student = Seen(LOGITS, {"y": STUDENT, "x": STUDENT[:, :1]})
    teacher = Seen(GUIDE, {"v": TEACHER[:, :3], "w": TEACHER})
    method.prepare(student, teacher, LABELS)
    shapes = [tuple(regressor[0].weight.shape[:2]) for regressor in method.regressors]
    assert sorted(shapes) == [(3, 1), (5, 2)]
    fewer = training_method(HINT(student_layer="x,y"))
    with pytest.raises(InputError, match=r"hint\.student_layer names 2 layers, to be compared wi"):
        fewer.prepare(student, Seen(GUIDE, {"w": TEACHER}), LABELS)


def test_in_two_stages_the_hint_comes_alone_and_then_the_logits_alone():
    method, seen = a_method(STUDENT, TEACHER, alpha=0.3, temperature=2.0, first_share=0.5)
    method.epochs = 5
    logit = training_method(METHODS["logit"](0.3, 2.0))(*seen, BATCH, epoch=1).item()
    found = [method(*seen, BATCH, epoch).item() for epoch in range(1, 6)]
    assert found == pytest.approx([100 * PUBLISHED] * 2 + [logit] * 3, rel=1e-9)
    assert [method.turn(epoch) for epoch in range(1, 6)] == [(1, 2)] * 2 + [(3, 5)] * 3
    method.epochs = 1  # As of an adapter that is taught as the student was: too short for both.
    assert method(*seen, BATCH, epoch=1).item() == pytest.approx(logit, rel=1e-9)


@pytest.mark.parametrize(
    ("share", "epochs", "alone"),
    [(0.0, 9, 0), (0.29, 100, 29), (0.3, 10, 3), (0.1, 3, 1), (0.99, 2, 1), (0.99, 1, 0)],
)
def test_a_share_of_the_epochs_always_leaves_one(share, epochs, alone):
    assert epochs_of(share, epochs) == alone
    with pytest.raises(InputError, match=r"first_share must be in \[0, 1\), got 1"):
        HINT(first_share=1)


def test_the_hint_alone_moves_the_student_as_far_as_its_layer():
    """A layer that no loss reaches is not even decayed."""
    network, teacher = Network("resnet8x4", 0.125), Network("cifar_resnet20", 0.25)
    student, method = initialised_model(network, 4, 1), training_method(HINT(first_share=0.5))
    method.epochs = 2
    batch = Batch(torch.randn(3, 3, 8, 8), LABELS, torch.arange(3))
    told = AskedTeacher(initialised_model(teacher, 4, 2), 8, method)(batch, 1)
    with tapping(student, method.student_taps(student, 8)) as taps:
        seen = Seen(student(batch.images), taps)
    method.prepare(seen, told, LABELS)
    method(seen, told, batch, epoch=1).backward(retain_graph=True)
    reached = {name for name, weight in student.named_parameters() if weight.grad is not None}
    assert {name.partition(".")[0] for name in reached} == {"conv1", "bn1", "layer1", "layer2"}
    assert all(weight.grad is not None for weight in method.regressors.parameters())
    method(seen, told, batch, epoch=2).backward()
    assert all(weight.grad is not None for weight in student.parameters())


def test_it_says_in_words_what_was_set():
    assert HINT().in_words == "hint, weight 100"
    said = HINT(0.5, 2.0, "layer2", weight=10).in_words
    assert said == "hint, alpha 0.5, temperature 2, student layer layer2, weight 10"
    assert HINT(first_share=0.5).in_words == "hint, weight 100, first share 0.5"
