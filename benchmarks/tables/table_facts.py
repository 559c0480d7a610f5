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
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.script import run_script
from benchmarks.tables.oracle_search import compute_of, prefix_key
from benchmarks.tables.recorded import Table, ground_of, load_table
from objectives.fronts import hypervolume
from search.forecasts import (
    Families,
    Features,
    Progress,
    assumed,
    assumed_scale,
    fit,
    log_error,
    outcomes,
)
from spaces import LoRA

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
_FITTED_LENGTHS = ("width", "alpha", "temperature", "learning_rate", "lora_targets")


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
    ground = ground_of(table)
    most = max(ground.flops.values())
    by_flops = defaultdict(list)
    by_layers = defaultdict(list)
    for one in table.students.values():
        end = log_error(one.accuracy, ground.validation_images) / ground.to_learn
        place = float(np.log(ground.flops[one.config.architecture.key] / most))
        adaptation = one.config.adaptation
        if isinstance(adaptation, LoRA):
            before = log_error(one.distill.accuracies[-1], ground.validation_images)
            by_layers[adaptation.targets].append((place, end - before / ground.to_learn))
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
    ground = ground_of(table)
    features = Features(ground.space)
    adapted = (
        Progress(one.config, one.distill.accuracies, one.adapt.accuracies)
        for one in table.students.values()
        if one.adapt is not None
    )
    ends = [(one.config, one.accuracy) for one in table.students.values()]
    scale = assumed_scale(ground)
    known = outcomes(ends, features, ground.trend(adapted), ground.validation_images, scale)
    found = fit(known, assumed(features))
    unit = known.spread / ground.to_learn

    def sd(variance: float) -> str:
        return f"{unit * variance**0.5:.3f}"

    shared = dict(zip(Families.kinds, map(sd, found.shared), strict=True))
    lengths = dict(zip(features.names, found.lengths, strict=True))
    told = ", ".join(f"{lengths[name]:.1f}" for name in _FITTED_LENGTHS if name in lengths)
    return (
        f"| {table.name} | {sd(found.signal)} | {shared['checkpoint']} "
        f"| {shared['none']}, {shared['classifier']}, {shared['dense']} | {sd(found.own)} "
        f"| {told} |"
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
    run_script(main)
