"""What a method of distillation is to the training loop."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor, nn

from objectives.data import Batch
from spaces import Method


@dataclass(frozen=True)
class Seen:
    """What a network made of a batch."""

    logits: Tensor
    """[b, classes]."""
    taps: Mapping[str, Tensor] = field(default_factory=dict)
    """Outputs of the modules that the method taps, by their names."""


Sized = tuple[nn.Module, int]
"""A network, and the side in pixels of the images that it sees."""

MakeNetwork = Callable[[], Sized]
"""Gives a network that is nobody else's, ready to be trained."""


class TrainingMethod(nn.Module):
    """A loss from what student and teacher made of a batch, and what is learned beside the student.

    Its parameters and buffers (a regressor, a memory bank, a second student) are optimised,
    checkpointed and restored together with the student, and thrown away at the end.
    """

    learns: ClassVar[bool] = False
    """Whether it has such parts, which `prepare` makes."""
    asks_teacher: ClassVar[bool] = True
    """Whether it is told of every batch what the teacher makes of it, if its settings need one."""
    epochs: int = 1
    """Of the stage that is trained, which the training loop sets."""

    def __init__(self, settings: Method) -> None:
        super().__init__()
        self.settings = settings

    def student_taps(self, student: nn.Module, image_size: int) -> tuple[str, ...]:  # noqa: ARG002
        """Return the names of the student's modules whose outputs the loss needs.

        With taps.INPUT after it, a name means what the module is given. image_size: of what the
        network sees. Raises InputError where the settings name a module that there is not.
        """
        return ()

    def teacher_taps(self, teacher: nn.Module, image_size: int) -> tuple[str, ...]:  # noqa: ARG002
        """Return the names of the teacher's modules whose outputs the loss needs, as student_taps.

        With none, logits that were recorded once serve as well as the teacher itself.
        """
        return ()

    def take_networks(self, sibling: MakeNetwork, teacher: MakeNetwork) -> None:
        """Make the whole networks that are to learn beside the student, if any: its own parts.

        sibling: gives the student's network, of other weights where it begins with fresh ones;
        teacher: the trained teacher. Called once, before all else; `forward` runs what it took
        on the batch's images, at the size of each.
        """

    def prepare(self, student: Seen, teacher: Seen | None, labels: Tensor) -> None:
        """Make the parts that are learned, whose shapes depend on what is tapped.

        Called once with what both make of a batch, before the optimizer is made; global RNG.
        labels: int64 [n], of all training images, by Batch.positions.
        """

    def turn(self, epoch: int) -> tuple[int, int]:  # noqa: ARG002
        """Return the first and the last epoch of what `epoch` is part of, from 1.

        All epochs, where a method does one thing throughout; where it does several in turns, the
        learning rate runs through its whole schedule in each.
        """
        return 1, self.epochs

    def forward(self, student: Seen, teacher: Seen | None, batch: Batch, epoch: int) -> Tensor:
        """Return the loss, a scalar.

        teacher: None when the settings need none. epoch: from 1. Raises InputError, before any
        training, where what was tapped cannot be compared (see `preflight`).
        """
        raise NotImplementedError
