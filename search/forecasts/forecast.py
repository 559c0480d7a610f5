"""What every student could still add to the front, per second of the training it still needs.

Around what is expected of every student (prior_mean), the known outcomes of a history condition a
Gaussian process (gaussian_process). Its predictions become expected gains in hypervolume at known
costs (gains), and those are divided by the seconds that are left: a checkpoint that exists
need not be trained again. So new students, new adapters of distilled checkpoints and paused
students are compared in one unit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from objectives.costs import CostTable
from objectives.fronts import OBJECTIVES, ReferencePoint
from search.forecasts.features import Families, Features
from search.forecasts.gains import Gains
from search.forecasts.gaussian_process import Covariance, Outcomes, Surrogate
from search.forecasts.learning_curves import (
    Drift,
    Progress,
    Reading,
    accuracy_of,
    checkpoint_key,
    distilled,
    log_error,
    progress_of,
    seconds_an_epoch,
    split_curve,
)
from search.forecasts.prior_mean import Trend
from spaces import Settled, Space, StudentConfig, architectures, student_key
from studies.records import History

Floats = NDArray[np.float64]

_DISTILLING = {"fall": 0.75, "noise": 0.23}
"""What is assumed of a stage before any was seen to end: see Drift. As shares of what there is to
learn (Ground.to_learn): where the teacher errs in half of all images, no curve falls by 2.6 in log
error. These and the covariance's first guess are what recorded tables had in common
(docs/decisions)."""
_ADAPTING = {"fall": 0.03, "noise": 0.07}
_SCALE = 0.26
"""Standard deviation of final log errors that is assumed, as such a share too."""
_LEAST_TO_LEARN = 0.1
"""Of a teacher that learned next to nothing: somebody is trying things out."""
_EVALUATION_S = 0.5
_OPTIMISM = 2.5
"""Standard deviations of a best case."""
_MOST = 250
"""Outcomes a surrogate is conditioned on; of more, the best and the latest."""


class Prospect(NamedTuple):
    """What is expected of one student."""

    student: StudentConfig
    mean: float
    """Of the final log error."""
    variance: float
    gain: float
    """Expected gain in hypervolume."""
    seconds: float
    """Training that is left."""
    best_case: float = 0.0
    """Gain if it ends 2.5 standard deviations better than expected; of one in training."""

    @property
    def worth(self) -> float:
        """Expected gain per second."""
        return self.gain / self.seconds


@dataclass(frozen=True)
class Ground:
    """What a study settles before its first trial, as far as an outlook needs it."""

    space: Space
    settled: Settled
    costs: CostTable
    reference: ReferencePoint
    validation_images: int
    teacher_accuracy: float
    objectives: tuple[str, ...] = OBJECTIVES

    @property
    def schemes(self) -> tuple[str, ...]:
        """Names of the schemes a student can be offered to."""
        return tuple(str(name) for name in self.space.scheme.values)

    @property
    def to_learn(self) -> float:
        """How far the teacher came: the fall of the log error from 1, where nothing is right."""
        return max(-log_error(self.teacher_accuracy, self.validation_images), _LEAST_TO_LEARN)

    @cached_property
    def flops(self) -> dict[str, int]:
        """Those of every architecture of the space, by its key."""
        names = [network.key for network in architectures(self.space, self.settled)]
        return {name: self.costs.of(name, self.schemes[0]).flops for name in names}

    def trend(self, adapted: Iterable[Progress]) -> Trend:
        """Return what is expected before likeness counts, as `adapted` students tell."""
        return Trend(self.flops, self.to_learn, self.validation_images, adapted)


class Outlook:
    """The prospects of students under one history."""

    def __init__(
        self, ground: Ground, features: Features, covariance: Covariance, history: History
    ) -> None:
        """Read a history in which at least one student ended."""
        self._ground = ground
        self._features = features
        self._images = ground.validation_images
        self.running = {
            student_key(one.chain.student) for one in history.running if one.chain is not None
        }
        self.distilling = {
            checkpoint_key(one.chain.student)
            for one in history.running
            if one.chain is not None and len(one.curve) < one.chain.student.schedule.epochs
        }
        self._checkpoints, self._adapted = progress_of(history)
        epochs = ground.settled.distill.epochs, ground.settled.adapt.epochs
        self._distill_drift = Drift(
            [one.distill for one in self._checkpoints.values()],
            epochs[0],
            self._images,
            **_shares(_DISTILLING, ground),
        )
        self._adapt_drift = Drift(
            [one.adapt for one in self._adapted.values()],
            epochs[1],
            self._images,
            **_shares(_ADAPTING, ground),
        )
        self._paces = seconds_an_epoch(history, ground.flops)
        self._families = Families()
        self._trend = ground.trend(self._adapted.values())
        self._surrogate = Surrogate(covariance, self._known())
        self._gains = Gains(
            history,
            self._believed(history),
            ground.costs,
            ground.schemes,
            ground.reference,
            ground.objectives,
        )

    @property
    def hypervolume(self) -> float:
        """Of the front that is there and believed to come."""
        return self._gains.hypervolume

    def is_being_distilled(self, student: StudentConfig) -> bool:
        """Say whether its checkpoint is in training now: whoever wants it too must wait."""
        return bool(self.distilling) and checkpoint_key(student) in self.distilling

    def accuracy(self, prospect: Prospect) -> float:
        """Return the final accuracy of its mean log error."""
        return accuracy_of(prospect.mean, self._images)

    def prospects(self, students: Sequence[StudentConfig]) -> list[Prospect]:
        """Return what is expected of students that nobody trains now."""
        if not students:
            return []
        rows, families = self._rows(students)
        means, variances = self._surrogate.predict(rows, families)
        means += self._trend.of(students)
        gains = np.zeros(len(students))
        names = np.array([student.architecture.key for student in students])
        for name in set(names):
            chosen = names == name
            gains[chosen] = self._gains.expected(
                str(name), means[chosen], variances[chosen], self._images
            )
        seconds = map(self._seconds, students)
        return list(
            map(Prospect, students, means.tolist(), variances.tolist(), gains.tolist(), seconds)
        )

    def gain_of_all(self, chosen: Sequence[tuple[Prospect, float]]) -> float:
        """Return the expected gain of training all of `chosen`, each with its probability.

        Students of one architecture add what the best of them does (Gains.expected_of_all). What
        architectures add is summed: gains in hypervolume are submodular, so that is an upper bound.
        """
        by_name: dict[str, list[tuple[float, float, float]]] = {}
        for prospect, share in chosen:
            name = prospect.student.architecture.key
            by_name.setdefault(name, []).append((prospect.mean, prospect.variance, share))
        gain = 0.0
        for name, rows in by_name.items():
            means, variances, shares = np.array(rows).T
            gain += self._gains.expected_of_all(name, means, variances, shares, self._images)
        return gain

    def distilling_seconds(self, student: StudentConfig) -> float:
        """Return those of the seconds left that every student of its checkpoint needs once."""
        left, _ = self._epochs_left(student)
        return left * self._paces[student.architecture.key][0]

    def best_scheme(self, prospect: Prospect) -> str:
        """Return the scheme under which it gains most."""
        architecture = prospect.student.architecture.key
        return self._gains.best_scheme(architecture, prospect.mean, self._images)

    def begun(self, student: StudentConfig) -> "Begun":
        """Return what is expected of a student in training, whatever its curve will be."""
        base = distilled(student)
        rows, families = self._rows([base, student])
        means, variances = self._surrogate.predict(rows, families)
        means += self._trend.of([base, student])
        if base == student:
            common = float(variances[0])
        else:
            common = self._surrogate.covariance_of(rows, families)
        return Begun(
            student,
            (float(means[0]), float(means[1])),
            (float(variances[0]), float(variances[1])),
            common,
        )

    def of_curve(self, begun: "Begun", curve: Sequence[tuple[float, float]]) -> Prospect:
        """Return what is expected of a student in training, now that its curve is `curve`."""
        student = begun.student
        mean, variance = self._forecast(begun, curve)
        gain = self._gains.expected(
            student.architecture.key, np.array([mean]), np.array([variance]), self._images
        )
        best_case = self._gains.expected(
            student.architecture.key,
            np.array([mean - _OPTIMISM * variance**0.5]),
            np.array([1e-12]),
            self._images,
        )
        left = Progress(student, *split_curve(student, curve)).epochs_left
        seconds = self._price(student, left)
        return Prospect(student, mean, variance, float(gain[0]), seconds, float(best_case[0]))

    def _forecast(
        self, begun: "Begun", curve: Sequence[tuple[float, float]]
    ) -> tuple[float, float]:
        """Return mean and variance of where it ends, by its accuracies in the stage it is in."""
        mean, variance = begun.means[1], begun.variances[1]
        distill, adapt = split_curve(begun.student, curve)
        if adapt:
            reading = self._adapt_drift.read(adapt)
            return _update(mean, variance, variance, mean, variance, reading)
        if distill:
            reading = self._distill_drift.read(distill)
            seen = begun.means[0], begun.variances[0]
            return _update(mean, variance, begun.common, *seen, reading)
        return mean, variance

    def _seconds(self, student: StudentConfig) -> float:
        return self._price(student, self._epochs_left(student))

    def _epochs_left(self, student: StudentConfig) -> tuple[int, int]:
        """Return what is left to be trained, with what the stage cache has of it."""
        checkpoint = self._checkpoints.get(checkpoint_key(student))
        if checkpoint is None:  # Of a wide space, nearly always.
            return student.epochs
        adapted = self._adapted.get(student_key(student))
        return Progress(student, checkpoint.distill, adapted.adapt if adapted else ()).epochs_left

    def _price(self, student: StudentConfig, left: tuple[int, int]) -> float:
        paces = self._paces[student.architecture.key]
        return left[0] * paces[0] + left[1] * paces[1] + _EVALUATION_S

    def _believed(self, history: History) -> dict[str, list[float]]:
        """Return what the students in training are believed to reach, by architecture."""
        believed: dict[str, list[float]] = {}
        for one in history.running:
            if one.chain is not None:
                mean, _ = self._forecast(self.begun(one.chain.student), one.curve)
                accuracy = accuracy_of(mean, self._images)
                believed.setdefault(one.chain.student.architecture.key, []).append(accuracy)
        return believed

    def _known(self) -> Outcomes:
        known: list[tuple[StudentConfig, Reading]] = []
        for key, one in self._checkpoints.items():
            if one.distill and key not in self.distilling:
                known.append((one.student, self._distill_drift.read(one.distill)))
        for key, one in self._adapted.items():
            if one.adapt and key not in self.running:
                known.append((one.student, self._adapt_drift.read(one.adapt)))
        known = _chosen(known)
        students = [student for student, _ in known]
        rows, families = self._rows(students)
        return Outcomes(
            rows,
            families,
            np.array([reading.value for _, reading in known]) - self._trend.of(students),
            np.array([reading.noise for _, reading in known]),
            assumed_scale(self._ground),
        )

    def _rows(self, students: Iterable[StudentConfig]) -> tuple[Floats, Floats]:
        students = list(students)
        return self._features.of_all(students), self._families.of(students)


def assumed_scale(ground: Ground) -> float:
    """Return the standard deviation of final log errors that is assumed on `ground`."""
    return _SCALE * ground.to_learn


def _shares(assumed: Mapping[str, float], ground: Ground) -> dict[str, float]:
    return {name: share * ground.to_learn for name, share in assumed.items()}


@dataclass(frozen=True)
class Begun:
    """What was expected of a student before its own curve: distilled, and at its end."""

    student: StudentConfig
    means: tuple[float, float]
    variances: tuple[float, float]
    common: float
    """Covariance of the two."""


def _update(
    mean: float,
    variance: float,
    common: float,
    seen_mean: float,
    seen_variance: float,
    reading: Reading,
) -> tuple[float, float]:
    """Return mean and variance of an outcome once another was read (Gaussian conditioning)."""
    weight = common / (seen_variance + reading.noise + 1e-9)
    return mean + weight * (reading.value - seen_mean), max(variance - weight * common, 1e-9)


def _chosen(
    known: list[tuple[StudentConfig, Reading]],
) -> list[tuple[StudentConfig, Reading]]:
    """Return at most _MOST of the outcomes: half of them the best, the rest the latest."""
    if len(known) <= _MOST:
        return known
    best = set(sorted(range(len(known)), key=lambda i: known[i][1].value)[: _MOST // 2])
    rest = [i for i in range(len(known)) if i not in best][-(_MOST - len(best)) :]
    return [known[i] for i in sorted([*best, *rest])]
