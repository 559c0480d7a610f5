"""How far every student of a history got, and what that says of where it ends.

Accuracies are compared as log errors, log(1 - accuracy + 1 / (2 images)): half the errors is the
same step everywhere. What an unfinished stage ends with is read off its latest epoch by a straight
line, fitted to the stages that ended: log error at the end against log error at that epoch.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spaces import LoRA, NoAdapter, StudentConfig, student_key
from studies.records import History, Stopped, Student

_BELIEF = 3.0
"""Stages' worth of belief in what is assumed of unfinished stages before any was seen to end."""


@dataclass(frozen=True)
class Reading:
    """What an unfinished stage says of the log error it ends with."""

    value: float
    noise: float
    """Variance of the error of `value`."""


@dataclass
class Progress:
    """How far training got under some settings: accuracies by epoch and stage."""

    student: StudentConfig
    distill: tuple[float, ...] = ()
    adapt: tuple[float, ...] = ()

    @property
    def epochs_left(self) -> tuple[int, int]:
        """Epochs of distilling and of adapting that are still to be trained."""
        distill, adapt = self.student.epochs
        return distill - len(self.distill), adapt - len(self.adapt)


@lru_cache(maxsize=2**16)
def distilled(student: StudentConfig) -> StudentConfig:
    """Return the student before adapting: what students of one distilled checkpoint share."""
    return replace(student, adaptation=NoAdapter())


@lru_cache(maxsize=2**16)
def checkpoint_key(student: StudentConfig) -> str:
    """Return the name of the distilled checkpoint that `student` is made from."""
    return student_key(distilled(student))


def split_curve(
    student: StudentConfig, curve: Sequence[tuple[float, float]]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the accuracies of distilling and of adapting."""
    accuracies = tuple([accuracy for _, accuracy in curve])
    return accuracies[: student.schedule.epochs], accuracies[student.schedule.epochs :]


def progress_of(history: History) -> tuple[dict[str, Progress], dict[str, Progress]]:
    """Return what was trained, by key: distilled checkpoints, and adapted students.

    The longest curve counts. Under a distilled checkpoint's key stands the student at rank 0.
    """
    checkpoints: dict[str, Progress] = {}
    adapted: dict[str, Progress] = {}
    curves = [
        *((one.chain, one.curve) for one in history.students),
        *((one.chain, one.curve) for one in history.stopped),
        *((one.chain, one.curve) for one in history.running if one.chain is not None),
    ]
    for chain, curve in curves:
        student = chain.student
        distill, adapt = split_curve(student, curve)
        checkpoint = checkpoint_key(student)
        known = checkpoints.get(checkpoint)
        if known is None:
            known = checkpoints[checkpoint] = Progress(distilled(student))
        known.distill = max(known.distill, distill, key=len)
        if isinstance(student.adaptation, LoRA):
            one = adapted.setdefault(student_key(student), Progress(student))
            one.distill, one.adapt = known.distill, max(one.adapt, adapt, key=len)
    return checkpoints, adapted


def log_error(accuracy: float, images: int) -> float:
    """Return log(1 - accuracy + 1 / (2 images))."""
    return math.log(1 - accuracy + 1 / (2 * images))


def ended_stages(
    checkpoints: Mapping[str, Progress], adapted: Mapping[str, Progress]
) -> list[tuple[StudentConfig, float]]:
    """Return every student whose last stage ended, with its final accuracy; see progress_of."""
    found = [
        (one.student, one.distill[-1])
        for one in checkpoints.values()
        if len(one.distill) == one.student.schedule.epochs
    ]
    return found + [
        (one.student, one.adapt[-1]) for one in adapted.values() if one.epochs_left == (0, 0)
    ]


def accuracy_of(log: float, images: int) -> float:
    """Return the accuracy, at most 1, whose log error is `log`."""
    return min(1.0, 1 + 1 / (2 * images) - math.exp(log))


class Drift:
    """How the log error of a stage moves from an epoch to the stage's end.

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

    def read(self, curve: Sequence[float]) -> Reading:
        """Return what a curve of at least one epoch says of its end."""
        now = log_error(curve[-1], self._images)
        if len(curve) >= self._epochs:
            return Reading(now, 0.0)
        offset, slope, centre, noise = self._lines[len(curve) - 1]
        return Reading(offset + slope * (now - centre), noise)


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


def seconds_an_epoch(history: History, flops: Mapping[str, int]) -> dict[str, tuple[float, float]]:
    """Return, by architecture, what an epoch of distilling and of adapting takes.

    An architecture that was never trained takes what the others do, by FLOPs to the power 0.7:
    what is small uses the machine less well. Before anything was trained an epoch of the largest
    takes a second, so that only ratios mean something.
    """
    spent: dict[tuple[str, str], list[float]] = {}
    trained: list[Student | Stopped] = [*history.students, *history.stopped]
    for one in trained:
        for stage in one.stages:
            if stage["epochs"] and stage["seconds"] > 0:
                key = (one.chain.student.architecture.key, str(stage["stage"]))
                spent.setdefault(key, []).append(stage["seconds"] / stage["epochs"])
    typical = {key: float(np.median(seen)) for key, seen in spent.items()}
    largest = max(flops.values())
    found = {}
    for architecture in flops:
        paces: list[float] = []
        for name in ("distill", "adapt"):
            own = typical.get((architecture, name))
            if own is None:
                scaled = [
                    seconds * (flops[architecture] / flops[other]) ** 0.7
                    for (other, its_stage), seconds in typical.items()
                    if its_stage == name and other in flops
                ]
                relative = (flops[architecture] / largest) ** 0.7
                own = float(np.mean(scaled)) if scaled else (paces[0] if paces else relative)
            paces.append(own)
        found[architecture] = (paces[0], paces[1])
    return found
