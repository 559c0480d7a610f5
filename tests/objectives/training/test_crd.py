"""Contrastive distillation: the published loss, what it remembers, and whom it contrasts with."""

import pytest
import torch

from objectives.data import Batch
from objectives.training import Seen, training_method
from objectives.training.methods.crd import Contrast
from spaces import METHODS
from tests.objectives.training.waves import waves

CRD = METHODS["crd"]

STUDENT, TEACHER = waves(6, 3, step=0.7), waves(6, 4, step=1.3)
POSITIONS = torch.tensor([3, 0, 7, 19, 5, 11])
OTHERS = (torch.arange(30).reshape(6, 5) * 7) % 20
IMAGES = 20
PUBLISHED = (7.751903555764791, 13.196049135311242)
"""What the authors' CRDLoss says of two such batches after each other: the second one is what
Z and the memories have become by the first."""
MEMORY = (0.6319, 0.5364, -0.1461, -0.2811, 0.1652, 0.1996, -0.2654, -0.2739)
"""What it remembers of the student's image at position 3 after them."""


def test_the_loss_is_the_authors_own_and_so_is_what_it_remembers():
    contrast = Contrast(CRD(embedded=8), 3, 4, IMAGES).double()
    with torch.no_grad():
        contrast.student.weight.copy_(waves(8, 3, step=0.5))
        contrast.student.bias.copy_(waves(8, step=0.9))
        contrast.teacher.weight.copy_(waves(8, 4, step=0.4))
        contrast.teacher.bias.copy_(waves(8, step=1.1))
        contrast.memory_student.copy_(waves(IMAGES, 8, step=0.31) / 3)
        contrast.memory_teacher.copy_(waves(IMAGES, 8, step=0.77) / 3)
    for published in PUBLISHED:
        loss = contrast(STUDENT, TEACHER, POSITIONS, OTHERS)
        assert loss.item() == pytest.approx(published, rel=1e-9)
    loss.backward()  # What was remembered meanwhile does not disturb it.
    assert contrast.student.weight.grad.abs().sum() > 0
    assert contrast.memory_student[3].tolist() == pytest.approx(MEMORY, abs=1e-4)


def test_images_are_contrasted_with_all_of_other_classes_and_with_none_of_their_own():
    labels = torch.tensor([2, 0, 1, 2, 2, 0, 3, 1, 1, 0])
    method = training_method(CRD(negatives=400))
    logits, seen = torch.zeros(4, 4), Seen(torch.zeros(4, 4), {"a": torch.ones(4, 3)})
    method.prepare(seen, seen, labels)
    asked = torch.tensor([0, 1, 2, 3])
    torch.manual_seed(0)
    drawn = method.negatives(asked, 400)
    assert drawn.shape == (4, 400)
    for label, others in zip(asked.tolist(), drawn, strict=True):
        assert set(others.tolist()) == set(torch.where(labels != label)[0].tolist())
        assert others.bincount(minlength=10).max() < 100  # Each about as often as any other.
    batch = Batch(torch.zeros(4, 3, 8, 8), labels[:4], torch.arange(4))
    before = method.contrasts[0].memory_student.clone()
    loss = method(Seen(logits, seen.taps), seen, batch, epoch=1)
    assert loss.isfinite()
    after = method.contrasts[0].memory_student
    assert torch.equal(after[4:], before[4:])
    assert torch.allclose(after[:4].norm(dim=1), torch.ones(4))
    saved = method.state_dict().keys()
    assert {"contrasts.0.memory_student", "contrasts.0.scale_teacher"} <= saved
    assert not any(name.startswith("negatives") for name in saved)
