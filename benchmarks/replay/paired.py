"""One search against another, seed by seed: ratios of the compute to shares of the hypervolume.

    python -m benchmarks.replay.paired runs/new/runs.jsonl runs/old/runs.jsonl
    python -m benchmarks.replay.paired runs/bench/runs.jsonl runs/bench/runs.jsonl \
        --strategy "ours, stopping only"

Geometric means over the seeds that both files have, of runs by one worker on the same tables; below
1 the first file's search needs less. The last row is the mean of the tables', with the standard
error that the seeds leave. Files are those that `benchmarks.replay.compare` writes.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.replay.compare import read_runs
from benchmarks.replay.run_record import SHARES, RunRecord
from benchmarks.script import run_script
from spaces import InputError

Floats = NDArray[np.float64]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="of the search that is looked at")
    parser.add_argument("than", type=Path, help="of the one that it is compared with")
    parser.add_argument("--strategy", default="ours", help="whose runs are looked at")
    parser.add_argument("--than-strategy", default="ours", help="whose they are compared with")
    options = parser.parse_args()
    runs, than = read_runs(options.runs), read_runs(options.than)
    print(report(runs, than, options.strategy, options.than_strategy))


def report(
    runs: Sequence[RunRecord],
    than: Sequence[RunRecord],
    strategy: str = "ours",
    than_strategy: str = "ours",
) -> str:
    """Return a Markdown row a table; raises InputError where the two have no seed in common."""
    new, old = _by_place(runs, strategy), _by_place(than, than_strategy)
    logs: dict[str, list[list[float]]] = {}
    never = 0
    for place in sorted(new.keys() & old.keys()):
        pair = new[place], old[place]
        never += any(None in run.compute_s for run in pair)
        one, other = (_compute(run) for run in pair)
        logs.setdefault(new[place].table, []).append((np.log(one) - np.log(other)).tolist())
    if not logs:
        raise InputError(f"{strategy!r} and {than_strategy!r} have no table and seed in common")
    heads = " | ".join(f"{share:.0%}" for share in SHARES)
    lines = [f"| table | seeds | {heads} |", "| --- |" + " --- |" * (1 + len(SHARES))]
    by_table = {table: np.array(rows) for table, rows in logs.items()}
    for table, rows in by_table.items():
        cells = " | ".join(f"{ratio:.2f}" for ratio in np.exp(rows.mean(axis=0)))
        lines.append(f"| {table} | {len(rows)} | {cells} |")
    lines.append(_mean_row(list(by_table.values())))
    if never:
        words = "counted as reaching a share, if it never did, with the compute it had spent"
        lines.append(f"\nIn {never} pairs a search is {words}.")
    return "\n".join(lines)


def _by_place(runs: Sequence[RunRecord], strategy: str) -> dict[tuple[str, str, int], RunRecord]:
    return {
        (run.table, run.digest, run.seed): run
        for run in runs
        if run.strategy == strategy and run.workers == 1
    }


def _compute(run: RunRecord) -> Floats:
    return np.array([run.spent_s if at is None else at for at in run.compute_s])


def _mean_row(tables: Sequence[Floats]) -> str:
    """Return the mean of the tables' means, and its standard error; tables are not a sample."""
    means = np.mean([rows.mean(axis=0) for rows in tables], axis=0)
    squares = np.sum([rows.var(axis=0) / len(rows) for rows in tables], axis=0)
    cells = " | ".join(
        f"{math.exp(mean):.2f} (± {math.exp(mean) * error:.2f})"
        for mean, error in zip(means, np.sqrt(squares) / len(tables), strict=True)
    )
    return f"| all | {sum(map(len, tables))} | {cells} |"


if __name__ == "__main__":
    run_script(main)
