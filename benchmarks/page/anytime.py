"""What searches have after so much compute: a table of medians over seeds.

    python -m benchmarks.page.anytime --results runs/off_grid --at 300 600 1200

Shares of the true hypervolume of every table that `benchmarks.replay.compare` searched, strategies
as it was given them. A search that was cut off before that compute has none there.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.page.results import Comparison, load
from benchmarks.script import run_script


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="folder of the comparison")
    parser.add_argument("--at", type=float, nargs="+", required=True, help="seconds of compute")
    options = parser.parse_args()
    print(report(load(options.results), options.at))


def report(comparison: Comparison, seconds: Sequence[float]) -> str:
    """Return a row a strategy and a column a table and compute."""
    heads = [f"{table}: {at:,.0f} s" for table in comparison.tables for at in seconds]
    lines = [
        "| strategy | seeds | " + " | ".join(heads) + " |",
        "| --- |" + " --- |" * (1 + len(heads)),
    ]
    for strategy in comparison.strategies:
        runs = comparison.all_runs_of(strategy.name)
        if runs:
            seeds = len({run.seed for run in runs})
            cells = [
                _share(comparison, strategy.name, table, at)
                for table in comparison.tables
                for at in seconds
            ]
            lines.append(f"| {strategy.name} | {seeds} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _share(comparison: Comparison, strategy: str, table: str, seconds: float) -> str:
    """Return the median at the last compute that is known and no later than `seconds`."""
    compute, _, median, _ = comparison.curve(strategy, table)
    reached = int(np.searchsorted(compute, seconds, side="right"))
    # A step of the grid is 12 %: what was cut off by more than one has nothing to say.
    if not reached or compute[reached - 1] < seconds / 1.13:
        return ""
    return f"{median[reached - 1]:.0%}"


if __name__ == "__main__":
    run_script(main)
