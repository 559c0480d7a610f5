"""The best merit already to be had at any costs: what a new trial must beat to matter."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CostIncumbent:
    """The trial with the greatest merit among those that are no dearer in any cost."""

    number: int | None
    """None for a floor, which is in force at every cost."""
    merit: float


class IncumbentFront:
    """Complete trials that no other is at least as good as, in merit and in all costs.

    Nobody else can be an incumbent, so a question takes time in the front, not in the trials. What
    is asked again before the front has changed, as rulings do, takes a look-up.
    """

    def __init__(self, costs: int, floor: float | None = None) -> None:
        """costs: how many there are. floor: a merit that stands in until a trial has as much."""
        self._costs: NDArray[np.float64] = np.empty((0, costs))  # front x costs, less is better
        self._merits: NDArray[np.float64] = np.empty(0)
        self._numbers: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._floor = floor
        # costs -> (merit, -number): the greater is the better, of equals the earlier trial.
        self._best: dict[tuple[float, ...], tuple[float, int]] = {}
        self._answers: dict[tuple[float, ...], CostIncumbent | None] = {}

    def add(self, number: int, costs: Sequence[float], merit: float) -> None:
        """Take a complete trial in; of equals the earlier one, by its number, stays."""
        place, worth = tuple(costs), (merit, -number)
        best = self._best.get(place)
        if best is not None and best >= worth:
            return  # Where costs are few, nearly always.
        self._best[place] = worth
        own = np.asarray(costs, dtype=np.float64)
        equal = (self._costs == own).all(axis=1) & (self._merits == merit)
        if equal.any():
            self._numbers[equal] = np.minimum(self._numbers[equal], number)
            self._answers.clear()
            return
        if ((self._costs <= own).all(axis=1) & (self._merits >= merit)).any():
            return
        kept = ~((self._costs >= own).all(axis=1) & (self._merits <= merit))
        self._costs = np.vstack([self._costs[kept], own])
        self._merits = np.append(self._merits[kept], merit)
        self._numbers = np.append(self._numbers[kept], number)
        self._answers.clear()

    def at(self, costs: Sequence[float]) -> CostIncumbent | None:
        """Return the incumbent at `costs`; None when nothing is as cheap in all of them yet."""
        place = tuple(costs)
        if place not in self._answers:
            self._answers[place] = self._found(place)
        return self._answers[place]

    def _found(self, costs: tuple[float, ...]) -> CostIncumbent | None:
        rivals = np.flatnonzero((self._costs <= np.asarray(costs, dtype=np.float64)).all(axis=1))
        best = None
        if rivals.size:
            merits = self._merits[rivals]
            ties = rivals[merits == merits.max()]
            best = CostIncumbent(int(self._numbers[ties].min()), float(merits.max()))
        if self._floor is not None and (best is None or best.merit < self._floor):
            return CostIncumbent(None, self._floor)
        return best
