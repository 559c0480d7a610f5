"""What there is to know before trusting a recorded table: python -m benchmarks.table_facts FILE ...

Prints a row a table: what it cost, how far accuracies differ between seeds, how well an epoch says
where distilling ends, how well latencies repeat themselves, and how much one student has alone.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.oracle import compute_of, prefix_key
from benchmarks.recorded import Table, load_table
from objectives.pareto import hypervolume
from search.prospects import log_error

EPOCHS = (1, 3, 5)
"""Whose correlation with the last is printed."""

HEAD = (
    "| table | students, s | on further seeds, s | sd between seeds, points: median, mean "
    f"| correlation after {', '.join(map(str, EPOCHS))} epochs | latencies repeat to "
    "| pass the floor | most that one student has |"
)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", type=Path, nargs="+", help="files that benchmarks.record made")
    print(HEAD)
    print("|" + " --- |" * HEAD.count(" | ") + " --- |")
    for path in parser.parse_args().tables:
        print(row(load_table(path)), flush=True)


def row(table: Table) -> str:
    """Return what to print of one table."""
    again = [student for others in table.repeats.values() for student in others]
    spread = 100 * _spread(table)
    ranks = ", ".join(f"{_correlation(table, epoch):.2f}" for epoch in EPOCHS)
    passing = sum(one.accuracy > table.reference.accuracy_floor for one in table.students.values())
    return (
        f"| {table.name} | {compute_of(table.students.values()):,.0f} | {compute_of(again):,.0f} "
        f"| {np.median(spread):.1f}, {spread.mean():.1f} | {ranks} "
        f"| {table.costs.repeatability:.1%} | {passing} of {len(table.students)} "
        f"| {_most_alone(table):.1%} |"
    )


def _spread(table: Table) -> NDArray[np.float64]:
    """Return the standard deviation of the final accuracy between seeds, one a repeated student."""
    return np.array(
        [
            np.std([table.students[key].accuracy, *(one.accuracy for one in others)], ddof=1)
            for key, others in table.repeats.items()
        ]
    )


def _correlation(table: Table, epoch: int) -> float:
    """Return that of log errors after an epoch of distilling with those at its end."""
    curves = {
        prefix_key(one): [
            log_error(accuracy, table.validation_images) for accuracy in one.distill.accuracies
        ]
        for one in table.students.values()
    }
    now = [curve[epoch - 1] for curve in curves.values()]
    end = [curve[-1] for curve in curves.values()]
    return float(np.corrcoef(now, end)[0, 1])


def _most_alone(table: Table) -> float:
    """Return the largest share of the true hypervolume that one student's points have."""
    points = defaultdict(list)
    for point in table.outcomes:
        points[point.student].append(point)
    worths = (hypervolume(own, table.reference, table.config.objectives) for own in points.values())
    return max(worths) / table.true_hypervolume


if __name__ == "__main__":
    main()
