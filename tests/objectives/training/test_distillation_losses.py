import math
from dataclasses import dataclass

import pytest
import torch
from torch.nn.functional import cross_entropy

from objectives.data import Batch
from objectives.training import METHODS as TRAINED
from objectives.training import Seen, TrainingMethod, training_method
from objectives.training.methods.divergences import softened_divergence
from spaces import METHODS, Distill, InputError, Logit, Method, NoTeacher, UnknownNameError


def _softmax(row, temperature):
    powers = [math.exp(value / temperature) for value in row]
    return [power / sum(powers) for power in powers]


def _by_hand(student, teacher, labels, temperature, alpha):
    total = 0.0
    for s, t, label in zip(student, teacher, labels, strict=True):
        p, q = _softmax(t, temperature), _softmax(s, temperature)
        divergence = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        total -= (1 - alpha) * math.log(_softmax(s, 1)[label])
        total += alpha * temperature**2 * divergence
    return total / len(labels)


def loss_of(settings, student, teacher, labels, weights=None):
    images = torch.zeros(len(labels), 3, 8, 8)
    batch = Batch(images, labels, torch.arange(len(labels)), weights)
    seen = None if teacher is None else Seen(teacher)
    return training_method(settings)(Seen(student), seen, batch, epoch=1)


@pytest.fixture
def logits():
    draws = torch.Generator().manual_seed(0)
    student = 2 * torch.randn(6, 4, generator=draws, dtype=torch.float64)
    teacher = 2 * torch.randn(6, 4, generator=draws, dtype=torch.float64)
    return student, teacher, torch.randint(0, 4, (6,), generator=draws)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 10.0])
@pytest.mark.parametrize("alpha", [0.25, 0.9, 1.0])
def test_loss_is_the_closed_form(logits, temperature, alpha):
    student, teacher, labels = logits
    loss = loss_of(Logit(alpha, temperature), student, teacher, labels)
    expected = _by_hand(student.tolist(), teacher.tolist(), labels, temperature, alpha)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("settings", [NoTeacher(), Logit(0.0, 4), Logit(0.5, 4)])
def test_an_image_counts_with_its_label_as_much_as_its_class_does(logits, settings):
    student, teacher, labels = logits
    teacher = teacher if settings.needs_teacher else None
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    each = [-math.log(_softmax(s, 1)[y]) for s, y in zip(student.tolist(), labels, strict=True)]
    counted = [weights[y].item() for y in labels]
    mean = sum(w * loss for w, loss in zip(counted, each, strict=True)) / sum(counted)
    moved = mean - sum(each) / len(each)
    plain = loss_of(settings, student, teacher, labels).item()
    share = 1 - settings.alpha if teacher is not None else 1.0
    weighed = loss_of(settings, student, teacher, labels, weights).item()
    assert weighed == pytest.approx(plain + share * moved, rel=1e-9)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_gradient_is_the_closed_form(logits, temperature):
    """(1 - alpha) (softmax(s) - onehot) + alpha T (softmax(s/T) - softmax(t/T)), over n."""
    student, teacher, labels = logits
    student.requires_grad_()
    loss_of(Logit(0.3, temperature), student, teacher, labels).backward()
    onehot = torch.eye(4, dtype=torch.float64)[labels]
    soft = (student / temperature).softmax(1) - (teacher / temperature).softmax(1)
    expected = (0.7 * (student.softmax(1) - onehot) + 0.3 * temperature * soft) / 6
    torch.testing.assert_close(student.grad, expected.detach(), rtol=1e-12, atol=1e-14)


def test_gradients_keep_their_size_as_temperature_grows(logits):
    """For large T the divergence tends to half the squared distance of centred logits, over C."""
    student, teacher, _ = logits
    distance = (student - teacher) - (student - teacher).mean(1, keepdim=True)
    limit = distance.square().sum(1).mean() / (2 * 4)
    errors = [
        abs(softened_divergence(student, teacher, temperature) / limit - 1)
        for temperature in (10.0, 100.0, 1000.0)
    ]
    assert errors[2] < errors[1] < errors[0]
    assert errors[2] < 1e-2


def test_a_student_that_agrees_pays_cross_entropy_alone(logits):
    student, _, labels = logits
    loss = loss_of(Logit(0.4, 4.0), student, student, labels)
    torch.testing.assert_close(loss, 0.6 * cross_entropy(student, labels))


@pytest.mark.parametrize("settings", [NoTeacher(), Logit(alpha=0)])
def test_without_a_teacher_the_labels_are_all_there_is(logits, settings):
    student, _, labels = logits
    assert not settings.needs_teacher
    assert torch.equal(loss_of(settings, student, None, labels), cross_entropy(student, labels))


def test_a_student_that_has_only_its_teacher_does_not_see_the_labels(logits):
    student, teacher, labels = logits
    student.requires_grad_()
    one = loss_of(Logit(1.0, 4.0), student, teacher, labels)
    other = loss_of(Logit(1.0, 4.0), student, teacher, (labels + 1) % 4)
    assert torch.equal(one, other)


@dataclass(frozen=True)
class Unknown(Method):
    """Settings of a method that nobody has written."""

    kind = "unknown"


@dataclass(frozen=True)
class Derived(Logit):
    """Another method, with another's settings."""

    kind = "derived"


@pytest.mark.parametrize("settings", [Unknown(), Derived()])
def test_a_method_that_nobody_knows_is_refused_and_not_trained_as_another(settings):
    known = f"unknown method '{settings.kind}': known are none, logit"
    with pytest.raises(UnknownNameError, match=known):
        training_method(settings)


def test_a_method_is_what_stands_under_its_name(monkeypatch):
    class Training(TrainingMethod):
        pass

    monkeypatch.setitem(TRAINED, "unknown", Training)
    assert type(training_method(Unknown())) is Training
    assert "unknown" not in METHODS  # A study could not name it still.
    with pytest.raises(NotImplementedError):
        loss_of(Unknown(), torch.zeros(2, 4), None, torch.zeros(2, dtype=torch.int64))


def test_a_study_cannot_hold_a_method_that_is_not_among_the_known():
    for settings in (Unknown(), Derived()):
        with pytest.raises(InputError, match=f"unknown method '{settings.kind}'"):
            Distill(method=settings)
