"""What a simulated search did, and what it was worth."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables import Table
from objectives.fronts import ReferencePoint, hypervolume, losses_of, nondominated

Work = str
"""A kind of stage, or `evaluate`."""
End = Literal["trained", "audited", "stopped", "paused", "released"]


@dataclass(frozen=True)
class Spent:
    """Time that a worker was busy with one epoch or one evaluation."""

    worker: int
    begin_s: float
    seconds: float
    work: Work
    student: str


@dataclass(frozen=True)
class FoundPoint:
    """A point of a student that was added to the study."""

    time_s: float
    trial: int
    """The trial whose student it is: the one that ran."""
    student: str
    scheme: str
    origin: str
    accuracy: float
    size_bytes: int
    latency_ms: float


@dataclass(frozen=True)
class Ending:
    """A sampled trial that ended: how far its student was, and what ended it."""

    time_s: float
    trial: int
    student: str
    end: End
    """`audited` is a student that ran to its end and would have been stopped; `released` one that
    the end of the budget caught."""
    progress: float
    resumes: int | None
    """The paused trial that this one went on with."""


@dataclass(frozen=True)
class Step:
    """A hypervolume, and when it was reached."""

    compute_s: float
    time_s: float
    hypervolume: float


@dataclass(frozen=True)
class Decisions:
    """Wall-clock time of one kind of the strategy's own decisions."""

    calls: int
    seconds: float


@dataclass(frozen=True)
class Trace:
    """A simulated search. Times are simulated seconds; compute is summed over workers."""

    table: str
    strategy: str
    seed: int
    workers: int
    spent: tuple[Spent, ...]
    """By the time at which it began."""
    points: tuple[FoundPoint, ...]
    """In the order in which they were added."""
    endings: tuple[Ending, ...]
    """In the order in which they ended."""
    waited_s: tuple[float, ...]
    """By worker: seconds until another had trained the same stage."""
    end_s: float
    """When the last worker ended."""
    decisions: dict[str, Decisions]
    """Wall-clock time of `sampler`, `pruner`, `scheduler` and `offers`."""
    wall_s: float
    """Wall-clock time of the whole simulation."""

    @property
    def compute_s(self) -> float:
        """Training and evaluation, summed over workers."""
        return sum(piece.seconds for piece in self.spent)

    def seconds_of(self, work: Work) -> float:
        """Return the compute that went into one kind of work."""
        return sum(piece.seconds for piece in self.spent if piece.work == work)

    @property
    def idle_s(self) -> tuple[float, ...]:
        """By worker: seconds before the end in which it neither trained nor evaluated."""
        busy = np.zeros(self.workers)
        for piece in self.spent:
            busy[piece.worker] += piece.seconds
        return tuple((self.end_s - busy).tolist())

    @property
    def useful_share(self) -> float:
        """Share of the workers' time until the end that went into training and evaluating."""
        return self.compute_s / (self.workers * self.end_s) if self.end_s > 0 else 1.0

    def ended(self, *ends: End) -> int:
        """Return how many distinct students ended like this in the last trial that ran them."""
        last = {ending.student: ending.end for ending in self.endings}
        counted = Counter(last.values())
        return sum(counted[end] for end in ends)

    def compute_at(self, times_s: Sequence[float]) -> NDArray[np.float64]:
        """Return [times], the compute spent until each time; what is under way counts in part."""
        begins = np.sort([piece.begin_s for piece in self.spent])
        ends = np.sort([piece.begin_s + piece.seconds for piece in self.spent])
        return _elapsed(begins, times_s) - _elapsed(ends, times_s)

    def growth(self, table: Table) -> tuple[Step, ...]:
        """Return every step in which the hypervolume of the students' points grew."""
        front: list[FoundPoint] = []
        steps: list[tuple[float, float]] = []
        for point in self.points:
            if point.accuracy <= table.reference.accuracy_floor:
                continue
            losses = losses_of([*front, point], table.config.objectives)
            # One that only equals a member comes last and changes nothing.
            if (losses[:-1] <= losses[-1]).all(axis=1).any():
                continue
            kept = nondominated(losses)
            front = [p for p, keeps in zip([*front, point], kept, strict=True) if keeps]
            steps.append((point.time_s, self._worth(front, table.reference, table)))
        compute = self.compute_at([time_s for time_s, _ in steps])
        return tuple(
            Step(float(spent), time_s, worth)
            for spent, (time_s, worth) in zip(compute, steps, strict=True)
        )

    @staticmethod
    def _worth(front: Sequence[FoundPoint], reference: ReferencePoint, table: Table) -> float:
        return hypervolume(front, reference, table.config.objectives)

    def reached(self, share: float, table: Table) -> Step | None:
        """Return when the share of the table's true hypervolume was reached, None if never."""
        # A front found whole has the true hypervolume but for rounding.
        wanted = share * table.true_hypervolume - 1e-12
        return next((step for step in self.growth(table) if step.hypervolume >= wanted), None)

    def regrets(self, table: Table, compute_s: float | None = None) -> NDArray[np.float64]:
        """Return [members of table.front] how much accuracy is missing at each member's cost.

        That is against the best point found that is no larger and no slower, or the accuracy floor
        where there is none as good. compute_s: the compute spent by then; all when None.
        """
        found = list(self.points)
        if compute_s is not None and found:
            spent = self.compute_at([point.time_s for point in found])
            found = [p for p, by in zip(found, spent, strict=True) if by <= compute_s + 1e-9]
        floor = table.reference.accuracy_floor
        members = losses_of(table.front, table.config.objectives)
        points = losses_of(found, table.config.objectives)
        within = (points[None, :, 1:] <= members[:, None, 1:]).all(axis=2)
        best = np.where(within, 1 - points[None, :, 0], floor).max(axis=1, initial=floor)
        return np.asarray(1 - members[:, 0] - best)

    @cached_property
    def trials(self) -> int:
        """Sampled trials that ended, those that resume another not counted."""
        return sum(e.resumes is None and e.end != "released" for e in self.endings)


def _elapsed(since: NDArray[np.float64], times_s: Sequence[float]) -> NDArray[np.float64]:
    """Return, by time, the sum over all `since` before it of how long that was ago."""
    sums = np.concatenate([[0.0], np.cumsum(since)])
    times = np.asarray(times_s, dtype=np.float64)
    before = np.searchsorted(since, times, side="right")
    return np.asarray(before * times - sums[before])
