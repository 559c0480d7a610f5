"""What every student could still add to the front, per second of the training it still needs.

Around what is expected of every student (prior_mean), the known outcomes of a history condition a
Gaussian process (gaussian_process). Its predictions become expected gains in hypervolume at known
costs (gains), and those are divided by the seconds that are left: a checkpoint that exists need
not be trained again. So new students, further stages of trained checkpoints and paused students
are compared in one unit.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search.forecasts.features import Features, RandomEffects
from search.forecasts.gains import Gains
from search.forecasts.gaussian_process import Covariance, GaussianProcess, Outcomes
from search.forecasts.learning_curves import (
    CurveExtrapolators,
    Extrapolation,
    accuracy_of,
    epochs_left,
    log_error,
    progress_of,
    seconds_an_epoch,
    split_curve,
)
from search.forecasts.prior_mean import PriorMean
from search.forecasts.student_forecast import BegunStudent, StudentForecast
from search.problem import SearchProblem
from spaces import FileKind, StudentConfig, student_key
from studies.records import History

Floats = NDArray[np.float64]

_SCALE = 0.26
"""Standard deviation of final log errors that is assumed, as a share of what there is to learn:
like the stages' own priors, what recorded tables had in common (docs/decisions)."""
_LEAST_TO_LEARN = 0.1
"""Of a teacher that learned next to nothing: somebody is trying things out."""
_EVALUATION_S = 0.5
_OPTIMISM = 2.5
"""Standard deviations of a best case."""
_MOST = 250
"""Outcomes that the process is conditioned on; of more, the best and the latest."""


class Forecast:
    """The forecasts of students under one history."""

    def __init__(
        self,
        problem: SearchProblem,
        features: Features,
        effects: RandomEffects,
        covariance: Covariance,
        history: History,
    ) -> None:
        """Read a history in which at least one student ended."""
        self._problem = problem
        self._features = features
        self._effects = effects
        self._images = problem.validation_images
        running = [one for one in history.running if one.chain is not None]
        self._running = {student_key(one.chain.student) for one in running if one.chain}
        self._in_training = {
            student_key(prefix)
            for one in running
            if one.chain is not None
            for prefix in _in_training(one.chain.student, len(one.curve))
        }
        self._progress = progress_of(history)
        self._extrapolators = CurveExtrapolators(self._progress, self._images, to_learn(problem))
        self._paces = seconds_an_epoch(history, problem.flops, problem.space.stages)
        self._prior_mean = PriorMean(problem.flops, to_learn(problem), self._images, self._progress)
        self._process = GaussianProcess(covariance, self._known())
        self._gains = Gains(
            history,
            self._believed(history),
            problem.costs,
            problem.space.schemes_for,
            problem.reference,
            problem.objectives,
        )

    @property
    def hypervolume(self) -> float:
        """Of the front that is there and believed to come."""
        return self._gains.hypervolume

    def must_wait(self, student: StudentConfig) -> bool:
        """Say whether something it is made from is in training now: whoever shares it must wait."""
        return bool(self._in_training) and not self._in_training.isdisjoint(
            map(student_key, student.prefixes)
        )

    def accuracy(self, forecast: StudentForecast) -> float:
        """Return the final accuracy of its mean log error."""
        return accuracy_of(forecast.mean, self._images)

    def of(self, students: Sequence[StudentConfig]) -> list[StudentForecast]:
        """Return what is expected of students that nobody trains now."""
        if not students:
            return []
        means, variances = self._process.predict(*self._rows(students))
        means += self._prior_mean.of(students)
        gains = np.zeros(len(students))
        kinds = [student.files for student in students]
        numbers = {files: number for number, files in enumerate(dict.fromkeys(kinds))}
        own = np.array([numbers[files] for files in kinds])
        for files, number in numbers.items():
            chosen = own == number
            gains[chosen] = self._gains.expected(
                files, means[chosen], variances[chosen], self._images
            )
        seconds = map(self._seconds, students)
        return list(
            map(
                StudentForecast,
                students,
                means.tolist(),
                variances.tolist(),
                gains.tolist(),
                seconds,
            )
        )

    def gain_of_all(self, chosen: Sequence[tuple[StudentForecast, float]]) -> float:
        """Return the expected gain of training all of `chosen`, each with its probability.

        Students of one kind add what the best of them does (Gains.expected_of_all). What kinds
        add is summed: gains in hypervolume are submodular, so that is an upper bound.
        """
        by_kind: dict[FileKind, list[tuple[float, float, float]]] = {}
        for one, share in chosen:
            by_kind.setdefault(one.student.files, []).append((one.mean, one.variance, share))
        gain = 0.0
        for files, rows in by_kind.items():
            means, variances, shares = np.array(rows).T
            gain += self._gains.expected_of_all(files, means, variances, shares, self._images)
        return gain

    def stage_seconds(self, student: StudentConfig) -> tuple[float, ...]:
        """Return the seconds of training left in each of its stages."""
        return self._stage_seconds(student, epochs_left(student, self._progress))

    def best_scheme(self, forecast: StudentForecast) -> str:
        """Return the scheme under which it gains most."""
        return self._gains.best_scheme(forecast.student.files, forecast.mean, self._images)

    def begun(self, student: StudentConfig) -> BegunStudent:
        """Return what is expected of a student in training, whatever its curve will be."""
        prefixes = student.prefixes
        rows, families = self._rows(prefixes)
        means, variances = self._process.predict(rows, families)
        means += self._prior_mean.of(prefixes)
        common = [
            self._process.covariance_of(rows[[index, -1]], families[[index, -1]])
            for index in range(len(prefixes) - 1)
        ]
        return BegunStudent(
            student,
            tuple(means.tolist()),
            tuple(variances.tolist()),
            (*common, float(variances[-1])),
        )

    def of_curve(
        self, begun: BegunStudent, curve: Sequence[tuple[float, float]]
    ) -> StudentForecast:
        """Return what is expected of a student in training, now that its curve is `curve`."""
        student = begun.student
        mean, variance = self._end_of(begun, curve)
        gain = self._gains.expected(
            student.files, np.array([mean]), np.array([variance]), self._images
        )
        best_case = self._gains.expected(
            student.files,
            np.array([mean - _OPTIMISM * variance**0.5]),
            np.array([1e-12]),
            self._images,
        )
        left = tuple(
            epochs - len(part)
            for epochs, part in zip(student.epochs, split_curve(student, curve), strict=True)
        )
        seconds = sum(self._stage_seconds(student, left)) + _EVALUATION_S
        return StudentForecast(
            student, mean, variance, float(gain[0]), seconds, float(best_case[0])
        )

    def _end_of(
        self, begun: BegunStudent, curve: Sequence[tuple[float, float]]
    ) -> tuple[float, float]:
        """Return mean and variance of where it ends, by its accuracies in the stage it is in."""
        mean, variance = begun.means[-1], begun.variances[-1]
        parts = split_curve(begun.student, curve)
        seen = [index for index, part in enumerate(parts) if part]
        if not seen:
            return mean, variance
        at = seen[-1]
        reading = self._extrapolators.read(begun.student.stages[at], parts[at])
        # Gaussian conditioning of the end on what the stage under way is expected to end with.
        weight = begun.common[at] / (begun.variances[at] + reading.noise + 1e-9)
        moved = mean + weight * (reading.value - begun.means[at])
        return moved, max(variance - weight * begun.common[at], 1e-9)

    def _seconds(self, student: StudentConfig) -> float:
        return sum(self.stage_seconds(student)) + _EVALUATION_S

    def _stage_seconds(self, student: StudentConfig, left: Sequence[int]) -> tuple[float, ...]:
        stages = zip(left, student.stages, student.trained_as, strict=True)
        paces = self._paces
        return tuple([epochs * paces[network][stage.kind] for epochs, stage, network in stages])

    def _believed(self, history: History) -> dict[FileKind, list[float]]:
        """Return what the students in training are believed to reach, by kind of files."""
        believed: dict[FileKind, list[float]] = {}
        for one in history.running:
            if one.chain is not None:
                mean, _ = self._end_of(self.begun(one.chain.student), one.curve)
                accuracy = accuracy_of(mean, self._images)
                believed.setdefault(one.chain.student.files, []).append(accuracy)
        return believed

    def _known(self) -> Outcomes:
        known: list[tuple[StudentConfig, Extrapolation]] = []
        for position, stages in enumerate(self._progress):
            # What is in training is believed, not known. So is where a running student ends, unless
            # that is its first stage, which others share once it is whole.
            believed = self._in_training | (self._running if position else set())
            for key, one in stages.items():
                if one.accuracies and key not in believed:
                    stage = one.student.stages[-1]
                    known.append((one.student, self._extrapolators.read(stage, one.accuracies)))
        known = _chosen(known)
        students = [student for student, _ in known]
        rows, families = self._rows(students)
        return Outcomes(
            rows,
            families,
            np.array([reading.value for _, reading in known]) - self._prior_mean.of(students),
            np.array([reading.noise for _, reading in known]),
            assumed_scale(self._problem),
        )

    def _rows(self, students: Sequence[StudentConfig]) -> tuple[Floats, Floats]:
        return self._features.of_all(students), self._effects.of(students)


def to_learn(problem: SearchProblem) -> float:
    """Return how far the teacher came: the fall of the log error from 1, where nothing is right."""
    learned = -log_error(problem.teacher_accuracy, problem.validation_images)
    return max(learned, _LEAST_TO_LEARN)


def assumed_scale(problem: SearchProblem) -> float:
    """Return the standard deviation of final log errors that is assumed."""
    return _SCALE * to_learn(problem)


def _in_training(student: StudentConfig, epochs_done: int) -> tuple[StudentConfig, ...]:
    """Return the prefix whose last stage a running student is at; none when its curve is whole."""
    for prefix in student.prefixes:
        if epochs_done < prefix.total_epochs:
            return (prefix,)
    return ()


def _chosen(
    known: list[tuple[StudentConfig, Extrapolation]],
) -> list[tuple[StudentConfig, Extrapolation]]:
    """Return at most _MOST of the outcomes: half of them the best, the rest the latest."""
    if len(known) <= _MOST:
        return known
    best = set(sorted(range(len(known)), key=lambda i: known[i][1].value)[: _MOST // 2])
    rest = [i for i in range(len(known)) if i not in best][-(_MOST - len(best)) :]
    return [known[i] for i in sorted([*best, *rest])]
