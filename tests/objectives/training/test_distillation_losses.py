import math

import pytest
import torch
from objectives.training.distillation_losses import distillation_loss, softened_divergence
from torch.nn.functional import cross_entropy


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
    loss = distillation_loss(student, teacher, labels, temperature=temperature, alpha=alpha)
    expected = _by_hand(student.tolist(), teacher.tolist(), labels, temperature, alpha)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_gradient_is_the_closed_form(logits, temperature):
    """(1 - alpha) (softmax(s) - onehot) + alpha T (softmax(s/T) - softmax(t/T)), over n."""
    student, teacher, labels = logits
    student.requires_grad_()
    distillation_loss(student, teacher, labels, temperature=temperature, alpha=0.3).backward()
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
    loss = distillation_loss(student, student, labels, temperature=4.0, alpha=0.4)
    torch.testing.assert_close(loss, 0.6 * cross_entropy(student, labels))
