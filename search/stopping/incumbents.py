"""The best accuracy already to be had at a cost: what a new point must beat to matter."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from objectives.costs import Cost
from objectives.fronts import OBJECTIVES
from studies.records import Point


@dataclass(frozen=True)
class Incumbent:
    """The most accurate complete trial that is no larger and no slower than a cost."""

    number: int | None
    """Its trial number; None for the study's accuracy floor, which is in force at every cost."""
    accuracy: float


class Incumbents:
    """The incumbent at every cost, kept up while trials complete.

    There are as many costs as architectures x schemes, however many trials there are, so only the
    best trial of each cost is kept: a question takes time in the costs, not in the trials.
    Latencies are compared as levels, in which costs within repeatability are equal already.
    """

    def __init__(
        self, objectives: Sequence[str] = OBJECTIVES, accuracy_floor: float | None = None
    ) -> None:
        self._weighs = "size_bytes" in objectives
        self._times = "latency_ms" in objectives
        self._floor = accuracy_floor
        # cost -> (accuracy, -number): the greater is the better, of equals the earlier trial.
        self._best: dict[tuple[float, float], tuple[float, int]] = {}

    def add(self, points: Iterable[Point]) -> None:
        """Take further complete trials in, in any order."""
        for point in points:
            cost = self._cost(point.size_bytes, point.latency_ms)
            worth = (point.accuracy, -point.number)
            self._best[cost] = max(self._best.get(cost, worth), worth)

    def at(self, cost: Cost) -> Incumbent | None:
        """Return the incumbent at `cost`, or None when nothing is as small and as fast yet.

        Of equally accurate trials it is the earliest. The accuracy floor stands in until a trial
        is at least as accurate.
        """
        size, latency = self._cost(cost.size_bytes, cost.latency_ms)
        best = max(
            (
                worth
                for (its_size, its_latency), worth in self._best.items()
                if its_size <= size and its_latency <= latency
            ),
            default=None,
        )
        if self._floor is not None and (best is None or best[0] < self._floor):
            return Incumbent(None, self._floor)
        return None if best is None else Incumbent(-best[1], best[0])

    def _cost(self, size_bytes: float, latency_ms: float) -> tuple[float, float]:
        """Leave out a cost that is no objective of the study: there all trials are alike."""
        return (size_bytes if self._weighs else 0, latency_ms if self._times else 0)
