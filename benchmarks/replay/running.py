"""One run of a comparison: a strategy on a table with a seed."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from benchmarks.replay.run_record import SHARES, RunKey, RunRecord, measured
from benchmarks.replay.simulation import Strategy, simulate
from benchmarks.replay.trace import FoundPoint
from benchmarks.tables import Table, compute_to, load_table, oracle, whole_table_s
from objectives.fronts import hypervolume, losses_of, nondominated

Family = Literal["plain", "given ours", "ours", "ablation"]


@dataclass(frozen=True)
class StrategyEntry:
    """A strategy as it is compared."""

    strategy: Strategy
    family: Family
    """`plain`: as people run it; `given ours`: with our cache and offers."""
    words: str
    """One line on it."""
    seeds: int | None = None
    """At most so many seeds, for what samples slowly."""
    skipped: str | None = None
    """Why it cannot run here."""
    trials: int | None = None
    """Sampled trials, where how many there are makes the strategy; the comparison's when None."""


Catalogue = Callable[[], Mapping[str, StrategyEntry]]
"""Makes the entries by name, in each process anew: a strategy cannot be pickled."""


@dataclass(frozen=True)
class Limits:
    """What ends a search beside 99 %."""

    tables: float
    """Compute, in multiples of that of the whole table."""
    trials: int
    """Sampled ones."""


@dataclass(frozen=True)
class ComparedTable:
    """A table with what all runs on it share."""

    table: Table
    digest: str
    whole_s: float

    @classmethod
    def load(cls, path: Path) -> "ComparedTable":
        """Return what a table's file holds."""
        table = load_table(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        return cls(table, digest, whole_table_s(table))

    def summary(self) -> dict[str, Any]:
        """Return what a page says of the table, as JSON."""
        table, steps = self.table, oracle(self.table)
        return {
            "digest": self.digest,
            "meta": dict(table.meta),
            "students": len(table.students),
            "repeats": sum(len(others) for others in table.repeats.values()),
            "points": len(table.outcomes),
            "front_points": len(table.front),
            "front_students": len({point.student for point in table.front}),
            "whole_s": self.whole_s,
            "true_hypervolume": table.true_hypervolume,
            "teacher_accuracy": table.teacher["accuracy"],
            "reference": asdict(table.reference),
            "oracle_s": [compute_to(share, steps, table) for share in SHARES],
            "oracle": [[s.compute_s, s.hypervolume / table.true_hypervolume] for s in steps],
        }


@dataclass(frozen=True)
class Job:
    """One run that is to be made."""

    strategy: str
    table: str
    digest: str
    seed: int
    workers: int

    @property
    def key(self) -> RunKey:
        """As RunRecord.key."""
        return self.strategy, self.table, self.digest, self.seed, self.workers


@dataclass
class Runner:
    """Runs jobs in one process."""

    entries: Mapping[str, StrategyEntry]
    tables: Mapping[str, ComparedTable]
    limits: Limits
    commit: str

    def run(self, job: Job) -> RunRecord:
        """Return what a job's search comes to."""
        begun = time.perf_counter()
        entry, compared = self.entries[job.strategy], self.tables[job.table]
        budget_s = self.limits.tables * compared.whole_s / job.workers
        trace = simulate(
            compared.table,
            entry.strategy,
            workers=job.workers,
            seed=job.seed,
            trials=entry.trials or self.limits.trials,
            budget_s=budget_s,
            enough=_Found(SHARES[-1], compared.table),
        )
        out = trace.end_s >= budget_s
        return measured(
            # A catalogue's name stands for its entry, whatever the strategy calls itself.
            replace(trace, strategy=job.strategy, wall_s=time.perf_counter() - begun),
            compared.table,
            digest=compared.digest,
            commit=self.commit,
            whole_s=compared.whole_s,
            baselines=entry.strategy.baselines,
            out_of_budget=out,
        )


class _Found:
    """Says once a share of a table's true hypervolume was found."""

    def __init__(self, share: float, table: Table) -> None:
        self._wanted = share * table.true_hypervolume - 1e-12
        self._table = table
        self._front: list[FoundPoint] = []

    def __call__(self, point: FoundPoint) -> bool:
        """Take one more point and say whether that is enough."""
        table = self._table
        if point.accuracy <= table.reference.accuracy_floor:
            return False
        losses = losses_of([*self._front, point], table.config.objectives)
        kept = nondominated(losses)
        if not kept[-1]:
            return False
        found = zip([*self._front, point], kept, strict=True)
        self._front = [one for one, keeps in found if keeps]
        worth = hypervolume(self._front, table.reference, table.config.objectives)
        return worth >= self._wanted
