"""What pruning adds to a recorded table's front, and to what is found of it in as much compute.

    python -m benchmarks.replay.with_pruning benchmarks/tables/cifar10_pruned.parquet [--seeds 20]

The table's grid has every student with and without the stage `prune`. First, of all that was
recorded: hypervolume, and the best accuracy at no more than so many bytes or milliseconds, with
students that are pruned and without them. Then searches for them, by our strategy on the recorded
seconds, in the whole space and in the space without pruning: hypervolume after as much compute.
Prints Markdown. Everything is of validation, but for what is said to be of test.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.replay.one_search import named_strategy
from benchmarks.replay.simulation import simulate
from benchmarks.script import run_script
from benchmarks.tables import Table, TablePoint, load_table
from objectives.fronts import hypervolume
from spaces import InputError, student_key
from studies import parse_stored

_QUANTILES = (0.1, 0.25, 0.5, 0.75)
"""Of the front's costs, at which accuracies are compared."""
_SHARES = (0.05, 0.1, 0.2, 0.4)
"""Of the training that all students without pruning take."""


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    table = load_table(options.table)
    whole = without_pruning(table)
    print(*_recorded(table, whole), "", *_searched(table, whole, options.seeds), sep="\n")


def without_pruning(table: Table) -> Table:
    """Return the table of the students that no stage prunes; raises InputError of another table."""
    values = table.config.to_dict()
    if 0 not in values["space"].get("prune", {}).get("amount", []):
        raise InputError(f"{table.name} has no students with and without pruning")
    values["space"]["prune"]["amount"] = [0]
    config = parse_stored(values, table.name)
    kept = {student_key(student) for student in config.search_space().students()}
    students = {key: one for key, one in table.students.items() if key in kept}
    return replace(table, config=config, students=students, repeats={})


def _recorded(table: Table, whole: Table) -> Iterator[str]:
    """Yield what there is to be found with pruning and without it."""
    front = table.front
    pruned = [point for point in front if point.student not in whole.students]
    yield "| of all that was recorded | with pruning | without |"
    yield "| --- | --- | --- |"
    yield f"| students | {len(table.students)} | {len(whole.students)} |"
    spent = [sum(one.seconds for one in each.students.values()) for each in (table, whole)]
    yield f"| training, nothing shared, CPU s | {spent[0]:,.0f} | {spent[1]:,.0f} |"
    volumes = (table.true_hypervolume, whole.true_hypervolume)
    yield f"| hypervolume | {volumes[0]:.4f} | {volumes[1]:.4f} |"
    test = [_on_test(table, each) for each in (table, whole)]
    yield f"| hypervolume of the front's students on test | {test[0]:.4f} | {test[1]:.4f} |"
    count = f"{len(front)}, {len(pruned)} of them pruned"
    yield f"| points of the front | {count} | {len(whole.front)} |"
    yield from _best("bytes", table, whole, lambda point: point.size_bytes)
    yield from _best("ms", table, whole, lambda point: point.latency_ms)


def _on_test(table: Table, part: Table) -> float:
    points = [
        replace(point, accuracy=table.students[point.student].test[point.scheme])
        for point in part.front
    ]
    return hypervolume(points, table.reference, table.config.objectives)


def _best(
    unit: str, table: Table, whole: Table, cost: Callable[[TablePoint], float]
) -> Iterator[str]:
    for most in np.quantile([cost(point) for point in table.front], _QUANTILES):
        cells = [f"best at {most:,.4g} {unit}, and on test"]
        for each in (table, whole):
            affordable = [point for point in each.outcomes if cost(point) <= most]
            best = max(affordable, key=lambda point: point.accuracy, default=None)
            if best is None:
                cells.append("-")
                continue
            student = table.students[best.student]
            test, network = student.test[best.scheme], student.config.deployed.key
            cells.append(f"{best.accuracy:.1%}, {test:.1%} (`{network}` {best.scheme})")
        yield f"| {' | '.join(cells)} |"


def _searched(table: Table, whole: Table, seeds: int) -> Iterator[str]:
    """Yield what searches find in as much compute, as medians and quartiles over seeds."""
    all_s = sum(one.seconds for one in whole.students.values())
    budgets = [share * all_s for share in _SHARES]
    found = [_found(each, table, budgets, seeds) for each in (table, whole)]
    yield f"| after compute, s | with pruning | without | seeds of {seeds} where pruning is ahead |"
    yield "| --- | --- | --- | --- |"
    for at, budget in enumerate(budgets):
        volumes = [each[:, at] for each in found]
        ahead = int((volumes[0] > volumes[1]).sum())
        yield f"| {budget:,.0f} | {_spread(volumes[0])} | {_spread(volumes[1])} | {ahead} |"


def _found(
    searched: Table, table: Table, budgets: Sequence[float], seeds: int
) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Return [seeds, budgets] the hypervolume found by then, from the reference of `table`."""
    strategy = named_strategy("ehvi", "freeze_thaw")
    rows = []
    for seed in range(seeds):
        trace = simulate(searched, strategy, seed=seed, trials=600, budget_s=budgets[-1])
        growth = trace.growth(table)
        rows.append(
            [
                max((step.hypervolume for step in growth if step.compute_s <= most), default=0.0)
                for most in budgets
            ]
        )
    return np.asarray(rows)


def _spread(volumes: Sequence[float]) -> str:
    low, middle, high = np.quantile(volumes, [0.25, 0.5, 0.75])
    return f"{middle:.4f} ({low:.4f} to {high:.4f})"


if __name__ == "__main__":
    run_script(main)
