"""How far every stage of a history got, and what that says of where it ends.

Accuracies are compared as log errors, log(1 - accuracy + 1 / (2 images)): half the errors is the
same step everywhere. What an unfinished stage ends with is read off its latest epoch by a straight
line, fitted to the stages that ended: log error at the end against log error at that epoch.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spaces import Stage, StudentConfig, student_key
from studies.records import History, Paused, Stopped, Student

_BELIEF = 3.0
"""Stages' worth of belief in what is assumed of unfinished stages before any was seen to end."""


class Extrapolation(NamedTuple):
    """What an unfinished stage says of the log error it ends with."""

    value: float
    noise: float
    """Variance of the error of `value`."""


@dataclass
class StageProgress:
    """How far one stage of some students was trained."""

    student: StudentConfig
    """Whose last stage it is: of those that share it, the common prefix."""
    accuracies: tuple[float, ...] = ()
    """By epoch."""

    @property
    def ended(self) -> bool:
        """Whether every epoch is done."""
        return len(self.accuracies) == self.student.stages[-1].epochs


Progress = list[dict[str, StageProgress]]
"""By position of the stage in its student, and then by the key of the student it ends."""


def progress_of(history: History) -> Progress:
    """Return what was trained of every stage; of several curves the longest counts."""
    progress: Progress = []
    curves = [
        *((one.chain, one.curve) for one in history.students),
        *((one.chain, one.curve) for one in history.pruned),
        *((one.chain, one.curve) for one in history.running if one.chain is not None),
    ]
    for chain, curve in curves:
        prefixes, parts = chain.student.prefixes, split_curve(chain.student, curve)
        progress += ({} for _ in prefixes[len(progress) :])
        for there, prefix, part in zip(progress, prefixes, parts, strict=False):
            key = student_key(prefix)
            known = there.get(key)
            if known is None:
                there[key] = StageProgress(prefix, part)
            elif len(part) > len(known.accuracies):
                known.accuracies = part
    return progress


def split_curve(
    student: StudentConfig, curve: Sequence[tuple[float, float]]
) -> tuple[tuple[float, ...], ...]:
    """Return the accuracies of each of the student's stages."""
    left = tuple([accuracy for _, accuracy in curve])
    parts = []
    for epochs in student.epochs:
        parts.append(left[:epochs])
        left = left[epochs:]
    return tuple(parts)


def epochs_left(student: StudentConfig, progress: Progress) -> tuple[int, ...]:
    """Return the epochs of each stage that are still to be trained."""
    if not progress or student_key(student.prefix(1)) not in progress[0]:
        return student.epochs  # Of a wide space, nearly always.
    left = []
    for position, (prefix, epochs) in enumerate(zip(student.prefixes, student.epochs, strict=True)):
        there = progress[position] if position < len(progress) else {}
        known = there.get(student_key(prefix))
        left.append(epochs - (len(known.accuracies) if known else 0))
    return tuple(left)


def ended_stages(progress: Progress) -> Iterator[tuple[StudentConfig, float]]:
    """Yield every student whose last stage ended, with its final accuracy."""
    for stages in progress:
        for one in stages.values():
            if one.ended:
                yield one.student, one.accuracies[-1]


def log_error(accuracy: float, images: int) -> float:
    """Return log(1 - accuracy + 1 / (2 images))."""
    return math.log(1 - accuracy + 1 / (2 * images))


def accuracy_of(log: float, images: int) -> float:
    """Return the accuracy, at most 1, whose log error is `log`."""
    return min(1.0, 1 + 1 / (2 * images) - math.exp(log))


class CurveExtrapolator:
    """Reads the log error at a stage's end off its latest epoch.

    end = offset + slope * now + error, a Bayesian straight line per epoch: before any stage was
    seen to end, the slope is 1, the offset is what is assumed, and belief in it is worth _BELIEF
    stages.
    """

    def __init__(
        self,
        curves: Sequence[Sequence[float]],
        epochs: int,
        images: int,
        *,
        fall: float,
        noise: float,
    ) -> None:
        """Learn from whole `curves` of accuracies by epoch.

        fall, noise: what is assumed, by the share a of the stage that is ahead: log error falls by
        fall * a^2 more, with a standard deviation of noise * a.
        """
        self._images = images
        self._epochs = epochs
        logs = [[log_error(accuracy, images) for accuracy in curve] for curve in curves]
        whole = np.array([curve for curve in logs if len(curve) == epochs]).reshape(-1, epochs)
        self._lines = [
            _line(
                whole[:, epoch - 1],
                whole[:, -1],
                fall * (1 - epoch / epochs) ** 2,
                noise * (1 - epoch / epochs) + 0.02,
            )
            for epoch in range(1, epochs)
        ]

    def read(self, curve: Sequence[float]) -> Extrapolation:
        """Return what a curve of at least one epoch says of its end."""
        now = log_error(curve[-1], self._images)
        if len(curve) >= self._epochs:
            return Extrapolation(now, 0.0)
        offset, slope, centre, noise = self._lines[len(curve) - 1]
        return Extrapolation(offset + slope * (now - centre), noise)


class CurveExtrapolators:
    """One for every kind of stage and its number of epochs."""

    def __init__(self, progress: Progress, images: int, to_learn: float) -> None:
        """Learn from the stages of `progress`; to_learn: of the teacher, see SearchProblem."""
        self._images = images
        self._to_learn = to_learn
        self._curves: dict[tuple[str, int], list[Sequence[float]]] = {}
        self._made: dict[tuple[str, int], CurveExtrapolator] = {}
        for stages in progress:
            for one in stages.values():
                stage = one.student.stages[-1]
                self._curves.setdefault((stage.kind, stage.epochs), []).append(one.accuracies)

    def read(self, stage: Stage, curve: Sequence[float]) -> Extrapolation:
        """Return what `curve`, of at least one epoch of `stage`, says of its end."""
        if len(curve) >= stage.epochs:
            return Extrapolation(log_error(curve[-1], self._images), 0.0)
        key = stage.kind, stage.epochs
        if key not in self._made:
            self._made[key] = CurveExtrapolator(
                self._curves.get(key, ()),
                stage.epochs,
                self._images,
                fall=stage.prior.fall * self._to_learn,
                noise=stage.prior.noise * self._to_learn,
            )
        return self._made[key].read(curve)


def _line(
    now: NDArray[np.float64], end: NDArray[np.float64], fall: float, deviation: float
) -> tuple[float, float, float, float]:
    """Return offset, slope, centre and residual variance of the line from `now` to `end`.

    fall, deviation: what is assumed to be lost yet, and how far that is from the truth.
    """
    if len(now) == 0:
        return -fall, 1.0, 0.0, deviation**2
    centre = float(now.mean())
    moved = end - now
    offset = centre + (moved.sum() - _BELIEF * fall) / (len(now) + _BELIEF)
    spread = now - centre
    slope = 1 + float(spread @ (moved - moved.mean())) / (float(spread @ spread) + _BELIEF)
    residuals = end - offset - slope * spread
    noise = (float(residuals @ residuals) + _BELIEF * deviation**2) / (len(now) + _BELIEF)
    return offset, slope, centre, noise


Paces = Mapping[str, Mapping[str, float]]
"""Seconds of an epoch, by network and kind of stage."""


def seconds_an_epoch(history: History, flops: Mapping[str, int], kinds: Sequence[str]) -> Paces:
    """Return, by network and kind of stage, what an epoch takes.

    flops: by key of every network there is. A network that was never trained takes what the
    others do, by FLOPs to the power 0.7: what is small uses the machine less well. A stage that
    nobody was seen at takes what the one before it does. Before anything was trained an epoch of
    the largest takes a second, so that only ratios mean something.
    """
    spent: dict[tuple[str, str], list[float]] = {}
    trained: list[Student | Stopped | Paused] = [*history.students, *history.pruned]
    for one in trained:
        for stage, network in zip(one.stages, one.chain.student.trained_as, strict=False):
            if stage.epochs and stage.seconds > 0:
                key = (network, stage.stage)
                spent.setdefault(key, []).append(stage.seconds / stage.epochs)
    typical = {key: float(np.median(seen)) for key, seen in spent.items()}
    largest = max(flops.values())
    found: dict[str, dict[str, float]] = {}
    for network in flops:
        pace = (flops[network] / largest) ** 0.7
        paces = found[network] = {}
        for kind in kinds:
            own = typical.get((network, kind))
            if own is None:
                scaled = [
                    seconds * (flops[network] / flops[other]) ** 0.7
                    for (other, its_kind), seconds in typical.items()
                    if its_kind == kind and other in flops
                ]
                own = float(np.mean(scaled)) if scaled else pace
            pace = paces[kind] = own
    return found
