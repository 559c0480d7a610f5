"""What the runs of a comparison come to: medians, ratios, stops, decisions."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.page.censored import Bound, Spread, spread
from benchmarks.replay import GRID, SHARES, Family, RunRecord, read_runs
from benchmarks.tables import position
from reports import wilson
from spaces import InputError

RANDOM = "random"
"""The strategy that stands for random search, alone and to the end."""
TODAY = "TPE"
"""The one that stands for what people write today."""

AT_95 = SHARES.index(0.95)


@dataclass(frozen=True)
class Share:
    """A share that was counted, with Wilson's 95 % interval."""

    count: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        """Of the share."""
        return wilson(self.count, self.of)

    def __str__(self) -> str:
        if not self.of:
            return ""
        low, high = self.interval
        share = f"{100 * self.count / self.of:.1f} %"
        return f"{share} ({self.count:,} of {self.of:,}; {100 * low:.1f} to {100 * high:.1f} %)"


@dataclass(frozen=True)
class StrategyWords:
    """A strategy as the page names it."""

    name: str
    family: Family
    words: str
    skipped: str | None
    trials: int | None = None
    """See StrategyEntry."""


@dataclass(frozen=True)
class Comparison:
    """All runs on the tables as they are."""

    tables: dict[str, dict[str, Any]]
    """By name: see benchmarks.replay.running.ComparedTable.summary."""
    strategies: tuple[StrategyWords, ...]
    limits: dict[str, float]
    runs: tuple[RunRecord, ...]

    @cached_property
    def ours(self) -> str | None:
        """Name of the strategy that is ours; None where it was not run."""
        ran = {run.strategy for run in self.runs}
        return next((s.name for s in self.strategies if s.family == "ours" and s.name in ran), None)

    @cached_property
    def _by_cell(self) -> dict[tuple[str, str, int], list[RunRecord]]:
        cells: dict[tuple[str, str, int], list[RunRecord]] = {}
        for run in self.runs:
            cells.setdefault((run.strategy, run.table, run.workers), []).append(run)
        return cells

    def runs_of(self, strategy: str, table: str, workers: int = 1) -> Sequence[RunRecord]:
        """Return the runs of a strategy on a table, by every seed."""
        return self._by_cell.get((strategy, table, workers), [])

    def all_runs_of(self, strategy: str, workers: int = 1) -> list[RunRecord]:
        """Return its runs on all tables."""
        return [run for table in self.tables for run in self.runs_of(strategy, table, workers)]

    def compute(self, strategy: str, table: str, share: int = AT_95) -> Spread | None:
        """Return the compute to a share of SHARES, by its index; None without runs."""
        runs = self.runs_of(strategy, table)
        return spread([(run.compute_s[share], self._more_than(run)) for run in runs])

    def _more_than(self, run: RunRecord) -> float:
        """Return what the compute to a share that was not reached is more than."""
        own = any(s.name == run.strategy and s.trials is not None for s in self.strategies)
        return math.inf if own and run.end == "trials" else run.spent_s

    def out_of_trials(self, strategy: str) -> float | None:
        """Return the share of its searches that their trials ended; None without any."""
        ends = [run.end for run in self.all_runs_of(strategy)]
        return ends.count("trials") / len(ends) if ends else None

    def multiple(self, strategy: str, table: str, share: int = AT_95) -> Bound | None:
        """Return the ratio of its median compute to ours."""
        ours = self.compute(self.ours, table, share) if self.ours else None
        its = self.compute(strategy, table, share)
        return its.median.over(ours.median) if its and ours else None

    def mean_multiple(self, strategy: str, share: int = AT_95) -> Bound | None:
        """Return the geometric mean over all tables of the ratios; None where one is missing."""
        ratios = [self.multiple(strategy, table, share) for table in self.tables]
        known = [ratio for ratio in ratios if ratio is not None]
        if not known or len(known) < len(ratios):
            return None
        mean = math.exp(sum(math.log(ratio.value) for ratio in known) / len(known))
        return Bound(mean, all(ratio.exact for ratio in known))

    def best(self, family: Family, table: str) -> list[tuple[str, Bound]]:
        """Return who of a family has 95 % soonest, by name and multiple of ours.

        First of those whose medians get there, if any; then, if its bound is less than that, who
        might have been there sooner: it was cut off, or ran out of trials.
        """
        ratios = [
            (s.name, ratio)
            for s in self.strategies
            if s.family == family and (ratio := self.multiple(s.name, table)) is not None
        ]
        ratios.sort(key=lambda its: (its[1].value, its[1].exact))
        there = next((at for at, (_, ratio) in enumerate(ratios) if ratio.exact), len(ratios))
        return [*ratios[there : there + 1], *ratios[: min(there, 1)]]

    def position(self, strategy: str, table: str, share: int = AT_95) -> Bound | None:
        """Return where its median lies between random (0) and the oracle (1), by the logarithm.

        None where it has none. The later random gets there, the higher it is: where random's
        median is a bound, so is it.
        """
        its, others = self.compute(strategy, table, share), self.compute(RANDOM, table, share)
        if its is None or others is None or not its.median.exact:
            return None
        oracle_s = self.tables[table]["oracle_s"][share]
        place = position(its.median.value, others.median.value, oracle_s)
        return Bound(place, others.median.exact)

    def regret(self, strategy: str, table: str) -> tuple[Spread, Spread] | None:
        """Return mean and largest accuracy regret, in points, when ours has reached 95 %.

        That is at our median compute; None where there is none.
        """
        ours = self.compute(self.ours, table) if self.ours else None
        runs = self.runs_of(strategy, table)
        if ours is None or not ours.median.exact or not runs:
            return None
        # The last value of the grid that ours had reached: nobody is credited with more compute.
        shares = GRID * self.tables[table]["whole_s"] <= ours.median.value
        at = max(int(shares.sum()) - 1, 0)

        def points(regrets: Sequence[Sequence[float]]) -> Spread:
            low, middle, high = np.quantile(
                [100 * its[min(at, len(its) - 1)] for its in regrets], (0.25, 0.5, 0.75)
            )
            return Spread(Bound(low), Bound(middle), Bound(high))

        return points([run.regret_mean for run in runs]), points([run.regret_max for run in runs])

    def cut_at(self, strategy: str) -> float | None:
        """Return the budget that ended runs of it, in multiples of the table's compute.

        None where that is everybody's: dear strategies may be given less (--budget).
        """
        runs = [run for run in self.all_runs_of(strategy) if run.end == "budget"]
        spent = [run.spent_s / float(self.tables[run.table]["whole_s"]) for run in runs]
        # The last epoch may end late.
        return min(spent) if spent and min(spent) < 0.9 * self.limits["tables"] else None

    def stops(self, strategy: str, what: str, of: str) -> Share:
        """Return counts of Stops added over all tables and seeds, by their names."""
        runs = self.all_runs_of(strategy)
        return Share(
            sum(getattr(run.stops, what) for run in runs),
            sum(getattr(run.stops, of) for run in runs),
        )

    def decision_ms(self, strategy: str, kind: str) -> float | None:
        """Return the wall-clock milliseconds of a decision of a kind, over all runs."""
        made = [run.decisions[kind] for run in self.all_runs_of(strategy) if kind in run.decisions]
        calls = sum(timing["calls"] for timing in made)
        return sum(timing["ms"] for timing in made) / calls if calls else None

    def useful_share(
        self, strategy: str, table: str, workers: int
    ) -> tuple[float, float] | tuple[None, None]:
        """Return the share of the workers' time that was useful: median and least; or None."""
        shares = [run.useful_share for run in self.runs_of(strategy, table, workers)]
        return (float(np.median(shares)), min(shares)) if shares else (None, None)

    def speed_up(self, strategy: str, table: str, workers: int) -> Bound | None:
        """Return how many times sooner `workers` have 95 % than one has, by the medians."""
        one, many = (
            spread([(run.time_s[AT_95], run.spent_s / run.workers) for run in runs])
            for runs in (self.runs_of(strategy, table), self.runs_of(strategy, table, workers))
        )
        return one.median.over(many.median) if one and many else None

    def curve(self, strategy: str, table: str) -> NDArray[np.float64]:
        """Return [4, values of GRID]: compute in s, then quartile, median and quartile.

        Of the hypervolume as a share of the true one. A search that has ended, at 99 % or with its
        trials, keeps what it has; from where a budget cut a run off, nothing is known.
        """
        runs = self.runs_of(strategy, table)
        if not runs:
            return np.empty((4, 0))
        cut = [len(run.hypervolume) - 1 for run in runs if run.end == "budget"]
        known = min(cut, default=len(GRID))
        values = [
            [run.hypervolume[min(at, len(run.hypervolume) - 1)] for at in range(known)]
            for run in runs
        ]
        compute = GRID[:known] * self.tables[table]["whole_s"]
        return np.concatenate([compute[None], np.quantile(values, (0.25, 0.5, 0.75), axis=0)])


def load(results: Path) -> Comparison:
    """Return what benchmarks.replay.compare wrote to a folder.

    Runs on another version of a table's file, and a run that was written twice, are left out.
    Raises InputError where there is nothing, or runs of a strategy of which nothing is said.
    """
    said = results / "comparison.json"
    if not said.exists():
        raise InputError(
            f"{results} has no comparison.json: python -m benchmarks.replay.compare makes it"
        )
    values = json.loads(said.read_text(encoding="utf-8"))
    tables = values["tables"]
    runs = {
        run.key: run
        for run in read_runs(results / "runs.jsonl")
        if run.table in tables and run.digest == tables[run.table]["digest"]
    }
    strategies = tuple(StrategyWords(name, **its) for name, its in values["strategies"].items())
    untold = {run.strategy for run in runs.values()} - values["strategies"].keys()
    if untold:
        raise InputError(
            f"{said} says nothing of {min(untold)!r}, which {results / 'runs.jsonl'} has runs of: "
            f"python -m benchmarks.replay.compare --only {min(untold)!r} adds it"
        )
    return Comparison(tables, strategies, values["limits"], tuple(runs.values()))
