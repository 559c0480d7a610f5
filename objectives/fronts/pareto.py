"""Pareto arithmetic: losses, dominance, normalised hypervolume and the knee. No torch.

Inside, everything minimises: an outcome becomes a row of losses (1 - accuracy, size_bytes,
latency_ms), or two of them, in the order in which the study names its objectives. Accuracy is what
a study judges by, whatever its name (objectives.measures). A NaN is an
error everywhere, never a pass.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import moocore
import numpy as np
from numpy.typing import NDArray

from spaces import DistilfrontError, InputError

OBJECTIVES = ("accuracy", "size_bytes", "latency_ms")
"""Every objective, in order: accuracy is maximised, the other two are minimised."""

_COSTS = OBJECTIVES[1:]

Losses = NDArray[np.float64]
"""[points, objectives], less is better."""


class Outcome(Protocol):
    """Anything with the three objectives: a point, the teacher, a cost with an accuracy."""

    @property
    def accuracy(self) -> float:
        """What the study judges by, in [0, 1]."""
        ...

    @property
    def size_bytes(self) -> int:
        """Bytes of the artifact."""
        ...

    @property
    def latency_ms(self) -> float:
        """Level of its latency."""
        ...


class Costs(Protocol):
    """Anything with a size and a latency."""

    @property
    def size_bytes(self) -> int:
        """Bytes of the artifact."""
        ...

    @property
    def latency_ms(self) -> float:
        """Level of its latency."""
        ...


@dataclass(frozen=True)
class Bounds:
    """What a point keeps to, or it is worth nothing to a study."""

    accuracy: float
    """The least there may be, in [0, 1)."""
    size_bytes: float = math.inf
    """The most there may be; infinite where the study sets no bound."""
    latency_ms: float = math.inf
    """The most there may be; infinite where the study sets no bound."""

    def allows(self, outcome: Outcome) -> bool:
        """Whether a point is worth anything."""
        return outcome.accuracy >= self.accuracy and self.affords(outcome)

    def affords(self, costs: Costs) -> bool:
        """Whether a point of these costs can be worth anything, however accurate it is."""
        return costs.size_bytes <= self.size_bytes and costs.latency_ms <= self.latency_ms

    def reference(self, teacher: Costs) -> "ReferencePoint":
        """Return where the hypervolume is measured from: the teacher's costs where no bound is."""
        size = self.size_bytes if math.isfinite(self.size_bytes) else teacher.size_bytes
        latency = self.latency_ms if math.isfinite(self.latency_ms) else teacher.latency_ms
        return ReferencePoint(self.accuracy, size, latency)


NO_BOUNDS = Bounds(0.0)
"""Of a study to which every point is worth something."""


@dataclass(frozen=True)
class ReferencePoint:
    """The worst that still counts: hypervolume is measured from here to (1, 0, 0)."""

    accuracy_floor: float
    """Accuracy that earns nothing, in [0, 1)."""
    size_bytes: float
    """Size that earns nothing: the study's bound, or the teacher's."""
    latency_ms: float
    """Latency that earns nothing: the study's bound, or the teacher's."""

    def __post_init__(self) -> None:
        if not 0 <= self.accuracy_floor < 1:
            raise InputError(f"the accuracy floor must be in [0, 1), got {self.accuracy_floor}")
        if not (self.size_bytes > 0 and self.latency_ms > 0):
            raise InputError(
                "the reference size and latency must be greater than 0, "
                f"got {self.size_bytes} and {self.latency_ms}"
            )

    def losses(self, objectives: Sequence[str] = OBJECTIVES) -> Losses:
        """Return its losses, [objectives]."""
        worst = [
            getattr(self, name) if name in _COSTS else 1 - self.accuracy_floor
            for name in objectives
        ]
        return np.array(worst, dtype=np.float64)


def accuracy_floor(share: float, teacher_accuracy: float) -> float:
    """Return `share` of the teacher's accuracy; of a perfect teacher all, less than can be told.

    A floor of 1 would leave no loss to measure from.
    """
    return min(share * teacher_accuracy, 1 - 1e-9)


def losses_of(outcomes: Sequence[Outcome], objectives: Sequence[str] = OBJECTIVES) -> Losses:
    """Return one row of losses per outcome, one column per objective; raises on NaN."""
    columns = [
        [getattr(outcome, name) if name in _COSTS else 1 - outcome.accuracy for name in objectives]
        for outcome in outcomes
    ]
    losses = np.array(columns, dtype=np.float64).reshape(len(outcomes), len(objectives))
    _refuse_nan(losses)
    return losses


def nondominated(losses: Losses) -> NDArray[np.bool_]:
    """Return [points], True where no other point is as good everywhere and better somewhere.

    Equal points do not dominate each other: all duplicates of a member are members. No points
    give an empty mask; infinite losses are ordered like any number; NaN raises.
    """
    _refuse_nan(losses)
    if len(losses) == 0:
        return np.zeros(0, dtype=np.bool_)
    mask: NDArray[np.bool_] = moocore.is_nondominated(losses, keep_weakly=True)
    return mask


def hypervolume(
    outcomes: Sequence[Outcome],
    reference: ReferencePoint,
    objectives: Sequence[str] = OBJECTIVES,
) -> float:
    """Return the share of the box between `reference` and the ideal that `outcomes` dominate.

    0 without outcomes and for those no better than the reference in some objective; 1 only for
    perfect accuracy at no cost. Duplicates and dominated outcomes change nothing.
    """
    return volume(losses_of(outcomes, objectives) / reference.losses(objectives))


def volume(scaled: Losses) -> float:
    """Return what losses in shares of the reference point's dominate of the unit box."""
    counting = scaled[np.all(scaled < 1, axis=1)]
    if len(counting) == 0:
        return 0.0
    return float(moocore.hypervolume(counting, ref=np.ones(scaled.shape[1])))


def knee(losses: Losses) -> int:
    """Return the index of the point nearest to having the best of everything.

    The first column is the accuracy's loss (any offset), the others are costs, greater than 0,
    taken by their logarithm: half is half, wherever it starts. Each column is scaled to [0, 1]
    over the front, and the member with the least Euclidean distance to the corner 0 is the knee
    (compromise programming: Zeleny 1973). A column in which the front does not differ does not
    count. Ties go to the more accurate, then to the earlier one. Raises without points.
    """
    if len(losses) == 0:
        raise DistilfrontError("the knee of no points was asked for")
    members = np.flatnonzero(nondominated(losses))
    scales = losses[members].copy()
    scales[:, 1:] = np.log(scales[:, 1:])
    low, high = scales.min(axis=0), scales.max(axis=0)
    scaled = (scales - low) / np.where(high > low, high - low, 1)
    distances = np.round(np.sum(scaled**2, axis=1), 12)
    return int(members[np.lexsort((members, losses[members, 0], distances))[0]])


def _refuse_nan(losses: Losses) -> None:
    if np.isnan(losses).any():
        raise DistilfrontError("an objective is NaN: dominance is not defined")
