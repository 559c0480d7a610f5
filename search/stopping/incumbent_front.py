"""The best merit already to be had at any costs, however many costs there are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CostIncumbent:
    """The trial with the greatest merit among those that are no dearer in any cost."""

    number: int
    merit: float


class IncumbentFront:
    """Complete trials that no other is at least as good as, in merit and in all costs.

    Nobody else can be an incumbent, so a question takes time in the front, not in the trials.
    """

    def __init__(self, costs: int) -> None:
        self._costs: NDArray[np.float64] = np.empty((0, costs))  # front x costs, less is better
        self._merits: NDArray[np.float64] = np.empty(0)
        self._numbers: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def add(self, number: int, costs: Sequence[float], merit: float) -> None:
        """Take a complete trial in; of equals the one that was there first stays."""
        own = np.asarray(costs, dtype=np.float64)
        if ((self._costs <= own).all(axis=1) & (self._merits >= merit)).any():
            return
        kept = ~((self._costs >= own).all(axis=1) & (self._merits <= merit))
        self._costs = np.vstack([self._costs[kept], own])
        self._merits = np.append(self._merits[kept], merit)
        self._numbers = np.append(self._numbers[kept], number)

    def at(self, costs: Sequence[float]) -> CostIncumbent | None:
        """Return the incumbent at `costs`; None when nothing is as cheap in all of them yet."""
        rivals = np.flatnonzero((self._costs <= np.asarray(costs, dtype=np.float64)).all(axis=1))
        if not rivals.size:
            return None
        best = rivals[np.argmax(self._merits[rivals])]
        return CostIncumbent(int(self._numbers[best]), float(self._merits[best]))
