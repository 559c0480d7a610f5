"""What it saves, and what it costs, to end a search by the gain that its next hour promises.

    python -m benchmarks.replay.stop_by_gain benchmarks/tables/digits_*.parquet [--seeds 12]

Searches end as with `search.run --least-gain`, on recorded tables against a simulated clock. Each
is compared with the one of its seed that uses up its trials.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.replay.one_search import named_strategy
from benchmarks.replay.simulation import simulate
from benchmarks.replay.trace import Trace
from benchmarks.script import run_script
from benchmarks.tables import Table, load_table
from search.strategy import HOUR_S

LEASTS = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005)
"""Least gains per hour, as shares of the hypervolume."""

HEAD = (
    "| least gain | compute, s | of the whole search | trials | true hypervolume, median | worst "
    "| an hour more would have added, median | most |"
)


@dataclass(frozen=True)
class Ended:
    """A search that was ended, beside the one that was not."""

    compute_s: float
    of_whole: float
    """Its compute as a share of the whole search's."""
    trials: int
    share: float
    """Of the true hypervolume."""
    missed: float
    """What the whole search had more after a further hour, as a share of the hypervolume."""


def main() -> None:
    """Print one Markdown table per recorded table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", type=Path, nargs="+", help="of benchmarks.tables.record")
    parser.add_argument("--seeds", type=int, default=12, help="searches per least gain")
    parser.add_argument("--trials", type=int, default=200, help="sampled trials of a whole search")
    options = parser.parse_args()
    for path in options.tables:
        print("\n".join(page(load_table(path), options.seeds, options.trials)), flush=True)


def page(table: Table, seeds: int, trials: int) -> list[str]:
    """Return what to print of one table."""
    wholes = [_search(table, seed, trials, 0.0) for seed in range(seeds)]
    spent = np.median([whole.compute_s for whole in wholes])
    shares = [_worth(whole, table) / table.true_hypervolume for whole in wholes]
    title = (
        f"{table.name}, {seeds} seeds; {trials} trials take {spent:.0f} s and reach "
        f"{np.median(shares):.2%} (worst {min(shares):.2%}):"
    )
    lines = ["", title, "", HEAD, "| --- " * HEAD.count(" | ") + "| --- |"]
    for least in LEASTS:
        found = [
            _ended(_search(table, seed, trials, least), whole, table)
            for seed, whole in enumerate(wholes)
        ]
        lines.append(_row(least, found))
    return lines


def _search(table: Table, seed: int, trials: int, least: float) -> Trace:
    strategy = named_strategy("ehvi", "freeze_thaw", least_gain_per_hour=least)
    return simulate(table, strategy, seed=seed, trials=trials)


def _ended(trace: Trace, whole: Trace, table: Table) -> Ended:
    worth = _worth(trace, table)
    later = _worth(whole, table, trace.end_s + HOUR_S)
    return Ended(
        compute_s=trace.compute_s,
        of_whole=trace.compute_s / whole.compute_s,
        trials=trace.trials,
        share=worth / table.true_hypervolume,
        missed=later / worth - 1,
    )


def _worth(trace: Trace, table: Table, until_s: float = np.inf) -> float:
    """Return the hypervolume that was reached by then."""
    steps = [step.hypervolume for step in trace.growth(table) if step.time_s <= until_s]
    return steps[-1] if steps else 0.0


def _row(least: float, found: Sequence[Ended]) -> str:
    shares, missed = [one.share for one in found], [one.missed for one in found]
    cells = (
        f"{least:.1%}",
        f"{np.median([one.compute_s for one in found]):.0f}",
        f"{np.median([one.of_whole for one in found]):.0%}",
        f"{np.median([one.trials for one in found]):.0f}",
        f"{np.median(shares):.2%}",
        f"{min(shares):.2%}",
        f"{np.median(missed):.2%}",
        f"{max(missed):.2%}",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    run_script(main)
