"""What the teacher says about a batch: asked in every step, or looked up."""

from typing import Protocol

import torch
from torch import Tensor, nn

from objectives.data import Batch, Data, Device
from objectives.training.float_accuracy import logits_of


class TeacherSignal(Protocol):
    """Gives the teacher's logits [b, classes] on the images of a batch."""

    def __call__(self, batch: Batch, epoch: int) -> Tensor:
        """Return the logits; `epoch` counts from 1."""
        ...


class AskedTeacher:
    """Runs the teacher on every batch: the published recipe, with fresh augmentation."""

    def __init__(self, teacher: nn.Module) -> None:
        self._teacher = teacher.eval()

    @torch.no_grad()
    def __call__(self, batch: Batch, epoch: int) -> Tensor:  # noqa: ARG002 - TeacherSignal's
        """Return the teacher's logits on the batch's images."""
        logits: Tensor = self._teacher(batch.images)
        return logits


class RecordedTeacher:
    """Looks up logits computed once for every fixed view of every training image."""

    def __init__(self, logits: Tensor) -> None:
        self._logits = logits

    def __call__(self, batch: Batch, epoch: int) -> Tensor:
        """Return the recorded logits of the view that `epoch` shows."""
        return self._logits[(epoch - 1) % len(self._logits)][batch.positions]


def logits_on_views(teacher: nn.Module, data: Data, device: Device) -> Tensor:
    """Return the teacher's logits [views, n, classes] on every fixed view of the training split."""
    return torch.stack(
        [
            logits_of(teacher, data.normalise(data.view(number).to(device)))
            for number in range(data.fixed_views)
        ]
    )
