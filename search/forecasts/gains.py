"""What a student of some accuracy would add to the front's hypervolume: its costs are known."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from objectives.costs import Cost, CostTable
from objectives.fronts import OBJECTIVES, ReferencePoint, losses_of, nondominated, volume
from search.forecasts.learning_curves import accuracy_of
from spaces import FileKind
from studies.records import History

Floats = NDArray[np.float64]

_FINE = 513
"""Accuracies at which the distribution of the best of several students is looked at."""
_LOSS_WEIGHT = 2.0
"""Students' worth of belief that a scheme costs on one network what it costs on all."""


@dataclass(frozen=True)
class _Outcome:
    accuracy: float
    size_bytes: int
    latency_ms: float


class SchemeLosses:
    """The accuracy that each scheme is seen to cost a network, on average.

    Students that were trained for a layout are told from others: rounding costs them less.
    """

    def __init__(self, history: History) -> None:
        finals = {
            student.key: (student.accuracy, student.chain.student.files)
            for student in history.students
        }
        losses: dict[tuple[FileKind, str], list[float]] = defaultdict(list)
        everywhere: dict[tuple[str, str], list[float]] = defaultdict(list)
        for point in history.points:
            if final := finals.get(point.student):
                accuracy, files = final
                losses[files, point.scheme].append(accuracy - point.accuracy)
                everywhere[files.layout, point.scheme].append(accuracy - point.accuracy)
        self._losses = losses
        self._everywhere = {kind: float(np.mean(seen)) for kind, seen in everywhere.items()}

    def of(self, files: FileKind, scheme: str) -> float:
        """Return what `scheme` costs students of a kind; 0 for one that was never seen."""
        typical = self._everywhere.get((files.layout, scheme), 0.0)
        seen = self._losses.get((files, scheme), ())
        return (sum(seen) + _LOSS_WEIGHT * typical) / (len(seen) + _LOSS_WEIGHT)


@dataclass(frozen=True)
class PiecewiseLinearGain:
    """A gain by the error that is reached: the sum of weight * max(0, knot - error)."""

    knots: Floats
    """Errors [n], ascending, each below which the gain rises more steeply, or less so."""
    weights: Floats
    """[n]: by how much."""

    def at(self, errors: Floats) -> Floats:
        """Return the gains at errors [m]."""
        above = np.searchsorted(self.knots, errors, side="right")
        slopes = np.append(np.cumsum(self.weights[::-1])[::-1], 0.0)
        offsets = np.append(np.cumsum((self.weights * self.knots)[::-1])[::-1], 0.0)
        gains: Floats = offsets[above] - slopes[above] * errors
        return gains

    def expected(self, means: Floats, variances: Floats, shift: float) -> Floats:
        """Return the expected gains where log(error + shift) is normal, by means, variances [m].

        E max(0, K - exp(Y)) = K Phi(d) - exp(mean + variance / 2) Phi(d - s), where
        d = (log K - mean) / s: the price of a put (Black and Scholes 1973, equation 14).
        """
        levels = self.knots + shift
        sds = np.sqrt(variances)[:, None]
        places = (np.log(levels) - means[:, None]) / sds
        below = np.exp(means + variances / 2)[:, None] * ndtr(places - sds)
        expected: Floats = (levels * ndtr(places) - below) @ self.weights
        return np.maximum(expected, 0)


class Gains:
    """Gains in hypervolume over what is there and what is believed to come."""

    def __init__(
        self,
        history: History,
        expected: Mapping[FileKind, Sequence[float]],
        costs: CostTable,
        schemes: Callable[[str], Sequence[str]],
        reference: ReferencePoint,
        objectives: Sequence[str] = OBJECTIVES,
    ) -> None:
        """Measure from the complete trials of `history`.

        schemes: those of students that were trained for a layout, as Space.schemes_for. expected:
        accuracies, by kind of files, that students now in training are believed to reach;
        what they will add is not to be gained again.
        """
        self._costs = costs
        self._schemes = schemes
        self._reference = reference
        self._objectives = objectives
        self._losses = SchemeLosses(history)
        there = _best_of_each_cost(history)
        for files, accuracies in expected.items():
            for accuracy in accuracies:
                there += self._points(files, accuracy)
        scaled = np.maximum(self._scaled(there), 0)
        self._there = scaled[nondominated(scaled)]
        self.hypervolume = volume(self._there)
        """Of what is there and believed to come."""
        self._gain_of: dict[FileKind, PiecewiseLinearGain] = {}

    def expected(self, files: FileKind, means: Floats, variances: Floats, images: int) -> Floats:
        """Return the expected gains, [m], of students whose final log error is normal.

        means, variances: [m] of log(1 - accuracy + 1 / (2 images)).
        """
        return self._gain(files).expected(means, variances, 1 / (2 * images))

    def expected_of_all(
        self, files: FileKind, means: Floats, variances: Floats, shares: Floats, images: int
    ) -> float:
        """Return the expected gain of training several students of one kind.

        As costs are known, that is the gain of the best of them: its points dominate the others'.
        Outcomes count as independent, under which the best is better than if they went together
        (Slepian 1962). means, variances: [m], as in `expected`. shares: [m], the probability with
        which each is trained.
        """
        errors = np.linspace(1 - self._reference.accuracy_floor, 0, _FINE)
        logs = np.log(errors + 1 / (2 * images))
        worse = ndtr((means - logs[:, None]) / np.sqrt(variances))
        best_is_worse = np.prod(1 - shares * (1 - worse), axis=1)
        best_is_worse[-1] = 1  # No accuracy is above 1.
        better = 1 - (best_is_worse[1:] + best_is_worse[:-1]) / 2
        return float(better @ np.diff(self._gain(files).at(errors)))

    def best_scheme(self, files: FileKind, mean: float, images: int) -> str:
        """Return the scheme that gains most alone when a student's log error ends at `mean`."""
        points = self._scaled(self._points(files, accuracy_of(mean, images)))
        volumes = [self._with(point[None, :]) for point in points]
        return self._schemes(files.layout)[int(np.argmax(volumes))]

    def _gain(self, files: FileKind) -> PiecewiseLinearGain:
        if files not in self._gain_of:
            self._gain_of[files] = self._made(files)
        return self._gain_of[files]

    def _made(self, files: FileKind) -> PiecewiseLinearGain:
        """Return what a student of a kind gains by its error.

        Its costs are known, so they and those that are there cut the plane of costs into cells. In
        each, the best loss that is there stands against the student's best scheme, whose loss
        is its error and what the scheme costs: from there on it gains the cell's area.
        """
        own = self._scaled(self._points(files, 1.0))
        edges = [
            np.unique(np.concatenate([column[column < 1], [1.0]]))
            for column in np.vstack([self._there, own])[:, 1:].T
        ]
        corners = np.stack(np.meshgrid(*(edge[:-1] for edge in edges), indexing="ij"), axis=-1)
        sides = np.stack(np.meshgrid(*map(np.diff, edges), indexing="ij"), axis=-1)
        corners, areas = corners.reshape(-1, len(edges)), sides.reshape(-1, len(edges)).prod(axis=1)
        there = np.minimum(_least_loss(self._there, corners), 1)
        losses = _least_loss(own, corners)
        reached = np.isfinite(losses)
        there, losses, areas = there[reached], losses[reached], areas[reached]
        worst = 1 - self._reference.accuracy_floor
        # It gains below the first knots, and no more below the second: no artifact is beyond
        # perfect. Nor is a student, which the knot at 0 says.
        knots = worst * np.concatenate([there - losses, -losses])
        weights = np.concatenate([areas, -areas]) / worst
        rising = knots > 0
        knots, places = np.unique(np.append(knots[rising], 0.0), return_inverse=True)
        weights = np.append(weights[rising], -weights[rising].sum())
        return PiecewiseLinearGain(knots, np.bincount(places, weights).astype(np.float64))

    def _points(self, files: FileKind, accuracy: float) -> list[_Outcome]:
        points = []
        for scheme in self._schemes(files.layout):
            cost: Cost = self._costs.of(files.network, scheme)
            reached = accuracy - self._losses.of(files, scheme)
            points.append(_Outcome(reached, cost.size_bytes, cost.latency_ms))
        return points

    def _scaled(self, outcomes: Sequence[_Outcome]) -> Floats:
        return losses_of(outcomes, self._objectives) / self._reference.losses(self._objectives)

    def _with(self, scaled: Floats) -> float:
        return volume(np.maximum(np.vstack([self._there, scaled]), 0))


def _least_loss(scaled: Floats, corners: Floats) -> Floats:
    """Return the least loss, infinite without any, of what costs no more than each of [corners]."""
    affordable = (scaled[None, :, 1:] <= corners[:, None, :]).all(axis=2)
    least: Floats = np.where(affordable, scaled[:, 0], np.inf).min(axis=1, initial=np.inf)
    return least


def _best_of_each_cost(history: History) -> list[_Outcome]:
    best: dict[tuple[int, float], float] = {}
    for point in history.points:
        cost = (point.size_bytes, point.latency_ms)
        if best.get(cost, -1.0) < point.accuracy:
            best[cost] = point.accuracy
    return [_Outcome(accuracy, *cost) for cost, accuracy in best.items()]
