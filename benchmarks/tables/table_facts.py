"""What there is to know before trusting a recorded table.

    python -m benchmarks.tables.table_facts FILE ...

Prints a row a table: what it cost, how far accuracies differ between seeds, how well an epoch says
where distilling ends, how well latencies repeat themselves, and how much one student has alone; in
a second table what width and adapters do to the log error; and in a third what the search's process
(gaussian_process) makes of all students once it has seen them. Log errors are shares of what there
is to learn.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.script import run_script
from benchmarks.tables.oracle_search import compute_of, prefix_key
from benchmarks.tables.recorded import RecordedStudent, Table, load_table, problem_of
from objectives.fronts import hypervolume
from search.forecasts import (
    Features,
    PriorMean,
    RandomEffects,
    assumed,
    assumed_scale,
    fit,
    log_error,
    outcomes,
    progress_of,
    to_learn,
)
from spaces import ChainConfig, scheme_named
from studies.records import History, Student

EPOCHS = (1, 3, 5)
"""Whose correlation with the last is printed."""

HEAD = (
    "| table | students, s | on further seeds, s | sd between seeds, points: median, mean "
    f"| correlation after {', '.join(map(str, EPOCHS))} epochs | latencies repeat to "
    "| pass the floor | most that one student has |"
)

EFFECTS = (
    "| table | e times the FLOPs: best recipe, middle recipe | adapting the classifier: at the "
    "widest, by e times the FLOPs, sd | 1x1 convolutions, likewise | all dense layers, likewise |"
)
_ADAPTED = ("classifier", "pointwise", "dense")

FITTED = (
    "| table | sd that settings explain | a checkpoint's luck | what adapting does: not adapted, "
    "classifier, dense | own luck | alike over: width, alpha, temperature, learning rate, layers |"
)
_FITTED_LENGTHS = (
    "network.width",
    "distill.alpha",
    "distill.temperature",
    "distill.learning_rate",
    "adapt.targets",
)


def main() -> None:
    """Print the Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", type=Path, nargs="+", help="of benchmarks.tables.record")
    tables = [load_table(path) for path in parser.parse_args().tables]
    for head, of in ((HEAD, row), (EFFECTS, effects), (FITTED, fitted)):
        print(head)
        print("|" + " --- |" * head.count(" | ") + " --- |")
        for table in tables:
            print(of(table), flush=True)
        print()


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


def effects(table: Table) -> str:
    """Return what width and adapters do, as a row under EFFECTS: see prior_mean."""
    problem = problem_of(table)
    images, learned = problem.validation_images, to_learn(problem)
    most = max(problem.flops.values())
    by_flops = defaultdict(list)
    by_layers = defaultdict(list)
    for one in table.students.values():
        end = log_error(one.accuracy, images) / learned
        place = float(np.log(problem.flops[one.config.deployed.key] / most))
        if len(one.stages) > 1:
            before = log_error(one.stages[-2].accuracies[-1], images) / learned
            by_layers[one.config.stages[-1].label].append((place, end - before))
        else:
            by_flops[place].append(end)
    slopes = [
        np.polyfit(sorted(by_flops), [of(by_flops[place]) for place in sorted(by_flops)], 1)[0]
        for of in (np.min, np.median)
    ]
    changes = " | ".join(_changes(by_layers.get(layers)) for layers in _ADAPTED)
    return f"| {table.name} | {slopes[0]:.3f}, {slopes[1]:.3f} | {changes} |"


def _changes(seen: Sequence[tuple[float, float]] | None) -> str:
    """Return the line through pairs of log FLOPs and change, and how far they are from it."""
    if not seen:
        return "none"
    places, changes = np.array(seen).T
    slope, widest = np.polyfit(places, changes, 1)
    sd = np.std(changes - widest - slope * places)
    return f"{widest:.3f}, {slope:.3f}, {sd:.3f}"


def fitted(table: Table) -> str:
    """Return the most plausible covariance of all students, as a row under FITTED."""
    problem = problem_of(table)
    images, learned = problem.validation_images, to_learn(problem)
    features, effects = Features(problem.space), RandomEffects(problem.space)
    prior_mean = PriorMean(problem.flops, learned, images, progress_of(_history(table)))
    ends = [(one.config, one.accuracy) for one in table.students.values()]
    scale = assumed_scale(problem)
    known = outcomes(ends, features, effects, prior_mean, images, scale)
    found = fit(known, assumed(features, effects))
    unit = known.spread / learned

    def sd(variance: float | None) -> str:
        return "none" if variance is None else f"{unit * variance**0.5:.3f}"

    checkpoint = found.shared[0] if len(problem.space.stages) > 1 else None
    its = found.shared[-len(effects.last_stages) :]
    shared = {label: sd(v) for (_, label), v in zip(effects.last_stages, its, strict=True)}
    adapting = ", ".join(shared.get(label, "none") for label in ("", "classifier", "dense"))
    lengths = dict(zip(features.names, found.lengths, strict=True))
    told = ", ".join(f"{lengths[name]:.1f}" for name in _FITTED_LENGTHS if name in lengths)
    return (
        f"| {table.name} | {sd(found.signal)} | {sd(checkpoint)} | {adapting} | {sd(found.own)} "
        f"| {told} |"
    )


def _history(table: Table) -> History:
    """Return what a search knows that has trained every student."""
    return History(students=tuple(_ended(key, one) for key, one in table.students.items()))


def _ended(key: str, one: RecordedStudent) -> Student:
    accuracies = [accuracy for stage in one.stages for accuracy in stage.accuracies]
    curve = tuple((epoch / len(accuracies), a) for epoch, a in enumerate(accuracies, start=1))
    chain, when = ChainConfig(one.config, scheme_named("fp32")), datetime.now(UTC)
    return Student(0, key, chain, curve, (), None, when, one.accuracy)


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
            log_error(accuracy, table.validation_images) for accuracy in one.stages[0].accuracies
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
    run_script(main)
