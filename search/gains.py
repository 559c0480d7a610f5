"""What a student of some accuracy would add to the front's hypervolume: its costs are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from objectives.costs import Cost, CostTable
from objectives.pareto import OBJECTIVES, ReferencePoint, losses_of, nondominated, volume
from search.prospects import accuracy_of
from studies.records import History

Floats = NDArray[np.float64]

_ACCURACIES = 33
"""Accuracies, between the floor and 1, at which a gain is computed; it is interpolated between."""
_FINE = 513
"""Accuracies at which the distribution of the best of several students is looked at."""
_DRAWS = norm.ppf((np.arange(16) + 0.5) / 16)
"""Standard normal quantiles that stand for the distribution of an outcome."""
_LOSS_WEIGHT = 2.0
"""Students' worth of belief that a scheme costs on one architecture what it costs on all."""


@dataclass(frozen=True)
class _Outcome:
    accuracy: float
    size_bytes: int
    latency_ms: float


class SchemeLosses:
    """The accuracy that each scheme is seen to cost an architecture, on average."""

    def __init__(self, history: History) -> None:
        finals = {student.key: student for student in history.students}
        losses: dict[tuple[str, str], list[float]] = {}
        everywhere: dict[str, list[float]] = {}
        for point in history.points:
            student = finals.get(point.student)
            if student is not None:
                loss = student.accuracy - point.accuracy
                architecture = student.chain.student.architecture.key
                losses.setdefault((architecture, point.scheme), []).append(loss)
                everywhere.setdefault(point.scheme, []).append(loss)
        self._losses = losses
        self._everywhere = {scheme: float(np.mean(seen)) for scheme, seen in everywhere.items()}

    def of(self, architecture: str, scheme: str) -> float:
        """Return what `scheme` costs `architecture`; 0 for a scheme that was never seen."""
        typical = self._everywhere.get(scheme, 0.0)
        seen = self._losses.get((architecture, scheme), ())
        return (sum(seen) + _LOSS_WEIGHT * typical) / (len(seen) + _LOSS_WEIGHT)


class Gains:
    """Gains in hypervolume over what is there and what is believed to come."""

    def __init__(
        self,
        history: History,
        expected: Mapping[str, Sequence[float]],
        costs: CostTable,
        schemes: Sequence[str],
        reference: ReferencePoint,
        objectives: Sequence[str] = OBJECTIVES,
    ) -> None:
        """Measure from the complete trials of `history`.

        expected: accuracies, by architecture, that students now in training are believed to reach;
        what they will add is not to be gained again.
        """
        self._costs = costs
        self._schemes = schemes
        self._reference = reference
        self._objectives = objectives
        self._losses = SchemeLosses(history)
        there = _best_of_each_cost(history)
        for architecture, accuracies in expected.items():
            for accuracy in accuracies:
                there += self._points(architecture, accuracy)
        scaled = np.maximum(self._scaled(there), 0)
        self._there = scaled[nondominated(scaled)]
        self.hypervolume = volume(self._there)
        """Of what is there and believed to come."""
        floor = reference.accuracy_floor
        self._accuracies = np.linspace(floor, 1, _ACCURACIES)
        self._curves: dict[str, Floats] = {}

    def expected(self, architecture: str, means: Floats, variances: Floats, images: int) -> Floats:
        """Return the expected gains, [m], of students whose final log error is normal.

        means, variances: [m] of log(1 - accuracy + 1 / (2 images)).
        """
        logs = means[:, None] + np.sqrt(variances)[:, None] * _DRAWS[None, :]
        accuracies = np.minimum(1.0, 1 + 1 / (2 * images) - np.exp(logs))
        expected: Floats = self._gains_at(architecture, accuracies).mean(axis=1)
        return expected

    def expected_of_all(
        self, architecture: str, means: Floats, variances: Floats, shares: Floats, images: int
    ) -> float:
        """Return the expected gain of training several students of one architecture.

        As costs are known, that is the gain of the best of them: its points dominate the others'.
        Outcomes count as independent, under which the best is better than if they went together
        (Slepian 1962). means, variances: [m], as in `expected`. shares: [m], the probability with
        which each is trained.
        """
        accuracies = np.linspace(self._accuracies[0], 1, _FINE)
        logs = np.log(1 - accuracies + 1 / (2 * images))
        worse = norm.sf((logs[:, None] - means) / np.sqrt(variances))
        best_is_worse = np.prod(1 - shares * (1 - worse), axis=1)
        best_is_worse[-1] = 1  # No accuracy is above 1.
        better = 1 - (best_is_worse[1:] + best_is_worse[:-1]) / 2
        return float(better @ np.diff(self._gains_at(architecture, accuracies)))

    def _gains_at(self, architecture: str, accuracies: Floats) -> Floats:
        if architecture not in self._curves:
            self._curves[architecture] = self._curve(architecture)
        gains: Floats = np.interp(accuracies, self._accuracies, self._curves[architecture], left=0)
        return gains

    def best_scheme(self, architecture: str, mean: float, images: int) -> str:
        """Return the scheme that gains most alone when a student's log error ends at `mean`."""
        points = self._scaled(self._points(architecture, accuracy_of(mean, images)))
        volumes = [self._with(point[None, :]) for point in points]
        return self._schemes[int(np.argmax(volumes))]

    def _curve(self, architecture: str) -> Floats:
        # A scheme may gain accuracy, so a student at the floor need not be worth nothing.
        points = self._scaled(self._points(architecture, 1.0))
        losses = (1 - self._accuracies) / (1 - self._reference.accuracy_floor)
        gains = []
        for loss in losses:
            moved = points.copy()
            moved[:, 0] += loss
            gains.append(self._with(moved) - self.hypervolume)
        return np.maximum.accumulate(np.array(gains))

    def _points(self, architecture: str, accuracy: float) -> list[_Outcome]:
        points = []
        for scheme in self._schemes:
            cost: Cost = self._costs.of(architecture, scheme)
            reached = accuracy - self._losses.of(architecture, scheme)
            points.append(_Outcome(reached, cost.size_bytes, cost.latency_ms))
        return points

    def _scaled(self, outcomes: Sequence[_Outcome]) -> Floats:
        return losses_of(outcomes, self._objectives) / self._reference.losses(self._objectives)

    def _with(self, scaled: Floats) -> float:
        return volume(np.maximum(np.vstack([self._there, scaled]), 0))


def _best_of_each_cost(history: History) -> list[_Outcome]:
    best: dict[tuple[int, float], float] = {}
    for point in history.points:
        cost = (point.size_bytes, point.latency_ms)
        if best.get(cost, -1.0) < point.accuracy:
            best[cost] = point.accuracy
    return [_Outcome(accuracy, *cost) for cost, accuracy in best.items()]
