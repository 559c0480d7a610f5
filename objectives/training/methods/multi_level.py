"""Distillation at several levels, of methods that there are; together, or from the inside out."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from objectives.data import Batch
from objectives.training.methods.attention import AttentionTraining
from objectives.training.methods.crd import CrdTraining
from objectives.training.methods.features import FeatureTraining
from objectives.training.methods.hint import HintTraining
from objectives.training.methods.logit import LogitTraining
from objectives.training.methods.method import Seen
from objectives.training.methods.rkd import RkdTraining
from spaces import FeatureMethod, MultiLevel

_TRAINED: Mapping[str, Callable[[Any], FeatureTraining]] = {
    "hint": HintTraining,
    "attention": AttentionTraining,
    "rkd": RkdTraining,
    "crd": CrdTraining,
}


class MultiLevelTraining(LogitTraining):
    """hidden_weight * L_h + embedding_weight * L_f + (1 - alpha) * CE + alpha * T^2 * KL.

    L_h and L_f are what Hint or Attention, and Rkd or Crd, make of inner tensors, with weights of
    their own; the rest is what Logit computes. From the inside out, with n such parts in E epochs,
    epoch e has part n - 1 - floor((E - e) * n / E) alone, counted from 0, and the learning rate
    begins anew with each.
    """

    settings: MultiLevel
    learns = True

    def __init__(self, settings: MultiLevel) -> None:
        super().__init__(settings)
        self._parts = [
            _PartTraining(part.weight, part.method, f"{settings.kind}.{{role}}_{part.layer}")
            for part in settings.parts
        ]
        # What they learn is found here.
        self.compared = nn.ModuleList(part.method for part in self._parts)

    def student_taps(self, student: nn.Module, image_size: int) -> tuple[str, ...]:
        """Return those of all parts."""
        for part in self._parts:
            part.student_taps = part.method.student_taps(student, image_size)
        return tuple(dict.fromkeys(name for part in self._parts for name in part.student_taps))

    def teacher_taps(self, teacher: nn.Module, image_size: int) -> tuple[str, ...]:
        """Return those of all parts."""
        for part in self._parts:
            part.teacher_taps = part.method.teacher_taps(teacher, image_size)
        return tuple(dict.fromkeys(name for part in self._parts for name in part.teacher_taps))

    def prepare(self, student: Seen, teacher: Seen | None, labels: Tensor) -> None:
        """Make what the parts learn; raises InputError where one has nothing to compare."""
        for part in self._parts:
            ours, theirs = part.sees(student, teacher)
            part.method.prepare(ours, theirs, labels)
            part.method.pairs(ours, theirs)  # In turns the first batch may be another part's.

    def turn(self, epoch: int) -> tuple[int, int]:
        """Return the epochs of the part that is learned in `epoch`; together, all of them."""
        if not self.settings.in_turns:
            return super().turn(epoch)
        number = self._number(epoch)
        its = [each for each in range(1, self.epochs + 1) if self._number(each) == number]
        return its[0], its[-1]

    def _number(self, epoch: int) -> int:
        """Return which part it is the turn of, from the inside out; Logit's is the last."""
        ends = len(self._parts)
        return ends - (self.epochs - epoch) * (ends + 1) // self.epochs

    def forward(self, student: Seen, teacher: Seen | None, batch: Batch, epoch: int) -> Tensor:
        """Return the loss, or of parts in turns that of the epoch's."""
        number = self._number(epoch)
        if self.settings.in_turns and number < len(self._parts):
            return self._parts[number].loss(student, teacher, batch)
        loss = super().forward(student, teacher, batch, epoch)
        if not self.settings.in_turns:
            for part in self._parts:
                loss = loss + part.loss(student, teacher, batch)
        return loss


class _PartTraining:
    """A part, and which inner tensors it looks at."""

    def __init__(self, weight: float, settings: FeatureMethod, layer_key: str) -> None:
        self.method = _TRAINED[settings.kind](settings)
        self.method.layer_key = layer_key
        self._weight = weight
        self.student_taps: tuple[str, ...] = ()
        self.teacher_taps: tuple[str, ...] = ()

    def sees(self, student: Seen, teacher: Seen | None) -> tuple[Seen, Seen]:
        assert teacher is not None
        return _of(student, self.student_taps), _of(teacher, self.teacher_taps)

    def loss(self, student: Seen, teacher: Seen | None, batch: Batch) -> Tensor:
        pairs = self.method.pairs(*self.sees(student, teacher))
        return self._weight * self.method.compared(pairs, batch)


def _of(seen: Seen, taps: tuple[str, ...]) -> Seen:
    return Seen(seen.logits, {name: seen.taps[name] for name in taps if name in seen.taps})
