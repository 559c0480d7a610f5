"""The front of a study that prunes beside that of one that does not, at the same costs.

    python -m benchmarks.pruning.joint WITH WITHOUT [--runs-dir runs]

Both studies were searched before, for as long (see joint.toml). Sizes and latencies are those of
the cost table of WITH, which has all networks of WITHOUT. Prints a table: students, seconds of
training, hypervolume from the reference point of WITH on validation and test, and the best accuracy
at no more than so many bytes, and at no more than so many milliseconds.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.script import run_script
from objectives.fronts import hypervolume
from reports import StudySummary, savings
from search.cli import open_existing

_SHARES = (0.1, 0.25, 0.5, 0.75)
"""Quantiles of all points' costs at which accuracies are compared."""


@dataclass(frozen=True)
class _Scored:
    accuracy: float
    size_bytes: float
    latency_ms: float
    pruned: bool


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("studies", nargs=2)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    options = parser.parse_args()
    summaries = [open_existing(name, options.runs_dir, None).summary() for name in options.studies]
    first = summaries[0]
    scored = [_scored(summary, first) for summary in summaries]
    together = [one for each in scored for one in each]
    rows: list[tuple[str, Sequence[str]]] = [
        ("students", [str(len(each.history.students)) for each in summaries]),
        ("points", [str(len(each)) for each in scored]),
        ("training, s", [f"{savings(each.history).trained_s:.0f}" for each in summaries]),
        ("hypervolume", [f"{_volume(first, each):.4f}" for each in scored]),
        (
            "hypervolume less pruned students",
            [f"{_volume(first, whole(each)):.4f}" for each in scored],
        ),
        ("points of pruned students", [str(sum(one.pruned for one in each)) for each in scored]),
        *_best("bytes", scored, together, lambda one: one.size_bytes),
        *_best("ms", scored, together, lambda one: one.latency_ms),
    ]
    print("| |", " | ".join(options.studies), "|")
    print("|" + " --- |" * 3)
    for name, cells in rows:
        print(f"| {name} | {' | '.join(cells)} |")


def _scored(summary: StudySummary, costs_of: StudySummary) -> list[_Scored]:
    found = []
    for point in summary.history.points:
        if point.chain is not None:
            network = point.chain.student.deployed
            cost = costs_of.costs.of(network.key, point.scheme)
            pruned = network.pruned.channels > 0
            found.append(_Scored(point.accuracy, cost.size_bytes, cost.latency_ms, pruned))
    return found


def whole(scored: Sequence[_Scored]) -> Sequence[_Scored]:
    """Return the points of students that are not pruned."""
    return [one for one in scored if not one.pruned]


def _volume(summary: StudySummary, scored: Sequence[_Scored]) -> float:
    return hypervolume(scored, summary.reference, summary.objectives)


def _best(
    unit: str,
    scored: Sequence[Sequence[_Scored]],
    together: Sequence[_Scored],
    cost: Callable[[_Scored], float],
) -> list[tuple[str, Sequence[str]]]:
    rows = []
    for most in np.quantile([cost(one) for one in together], _SHARES):
        cells = []
        for each in scored:
            affordable = [one for one in each if cost(one) <= most]
            best = max(affordable, key=lambda one: one.accuracy, default=None)
            star = " (pruned)" if best is not None and best.pruned else ""
            cells.append("-" if best is None else f"{100 * best.accuracy:.1f}{star}")
        rows.append((f"best at {most:,.4g} {unit}", cells))
    return rows


if __name__ == "__main__":
    run_script(main)
