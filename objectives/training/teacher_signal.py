"""What the teacher makes of a batch: asked in every step, or looked up."""

from typing import Protocol

import torch
from torch import Tensor, nn

from objectives.data import Batch, Data, Device, RecordedImages, resized
from objectives.training.ensemble import MeanOfTeachers
from objectives.training.float_accuracy import logits_at
from objectives.training.methods import Seen, TrainingMethod
from objectives.training.taps import tapping
from spaces import InputError


class TeacherSignal(Protocol):
    """Gives what the teacher makes of the images of a batch."""

    def __call__(self, batch: Batch, epoch: int) -> Seen:
        """Return it; `epoch` counts from 1."""
        ...


def layers_asked(method: TrainingMethod, teacher: nn.Module, image_size: int) -> tuple[str, ...]:
    """Return the names of the teacher's layers that the method taps; with none, logits serve.

    Raises InputError as teacher_taps, and where the teacher is several networks, which have none
    in common.
    """
    if not isinstance(teacher, MeanOfTeachers):
        return method.teacher_taps(teacher, image_size)
    first, size = teacher.members[0], teacher.sizes[0]
    if layers_asked(method, first, size):
        raise InputError(
            f"{method.settings.kind} looks at its teacher's layers, and an ensemble has none of "
            "its own: let it learn from one network, or by a method of logits"
        )
    return ()


class AskedTeacher:
    """Runs the teacher on every batch: the published recipe, with fresh augmentation."""

    def __init__(self, teacher: nn.Module, image_size: int, method: TrainingMethod) -> None:
        self._teacher = teacher.eval()
        self._image_size = image_size
        self._taps = layers_asked(method, teacher, image_size)

    @torch.no_grad()
    def __call__(self, batch: Batch, epoch: int) -> Seen:  # noqa: ARG002 - TeacherSignal's
        """Return the teacher's logits on what it sees of the batch, and what is tapped."""
        images = batch.images if batch.teacher_images is None else batch.teacher_images
        with tapping(self._teacher, self._taps) as taps:
            logits: Tensor = self._teacher(resized(images, self._image_size))
        return Seen(logits, taps)


class RecordedTeacher:
    """Looks up logits computed once for every fixed view of every training image, or for itself."""

    def __init__(self, logits: Tensor) -> None:
        self._logits = logits

    def __call__(self, batch: Batch, epoch: int) -> Seen:
        """Return the recorded logits of the view that `epoch` shows."""
        return Seen(self._logits[(epoch - 1) % len(self._logits)][batch.positions])


def recorded_logits(
    of: RecordedImages, teacher: nn.Module, image_size: int, data: Data, device: Device
) -> Tensor:
    """Return the teacher's logits [views, n, classes] on the training split, by fixed view.

    of: the data's views, or one, the plain images.
    """

    def logits(images: Tensor) -> Tensor:
        return logits_at(teacher, image_size, images, data, device)

    if of == "plain":
        return logits(data.splits["train"].images)[None]
    return torch.stack([logits(data.view(number)) for number in range(data.fixed_views)])
