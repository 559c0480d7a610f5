"""What a table says of width and adapters, where both are made to be known."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.tables.recorded import Table, load_table, problem_of, table_of
from benchmarks.tables.table_facts import effects, fitted
from search.forecasts.forecast import to_learn
from tests.benchmarks.tiny_table import IMAGES, TEACHER, table

RECORDED = Path(__file__).parents[3] / "benchmarks" / "tables" / "cifar10_wide.parquet"

WIDENING, ADAPTING, MORE = -0.08, -0.03, -0.02
"""Shares of what there is to learn, by e times the FLOPs, by an adapter of the widest network, and
by one of e times the FLOPs more."""


def made() -> Table:
    """Return a table in which what width and adapters do is known."""
    plain = table()
    costs = tuple(replace(cost, flops=cost.size_bytes) for cost in plain.costs.costs)
    of_width = replace(plain.costs, costs=costs)
    learned = to_learn(problem_of(plain))

    def stage(recorded, log):
        accuracy = 1 + 1 / (2 * IMAGES) - float(np.exp(log))
        return replace(recorded, accuracies=(*recorded.accuracies[:-1], accuracy))

    def flops(student):
        return of_width.of(student.config.network.key, "fp32").flops

    widest = max(map(flops, plain.students.values()))
    students = []
    for one in plain.students.values():
        place = np.log(flops(one) / widest)
        log = -1 + WIDENING * learned * place
        logs = (log, log + (ADAPTING + MORE * place) * learned)
        students.append(replace(one, stages=tuple(map(stage, one.stages, logs))))
    return table_of(plain.config, of_width, TEACHER, students, validation_images=IMAGES, meta={})


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.split("|")[1:-1]]


def test_width_and_adapters_do_what_they_were_made_to_do():
    _, slopes, classifier, pointwise, dense = cells(effects(made()))
    assert slopes == "-0.080, -0.080"
    assert classifier == pointwise == "none"
    assert dense == "-0.030, -0.020, 0.000"


def test_adapting_all_dense_layers_is_more_luck_than_adapting_the_classifier():
    recorded = load_table(RECORDED)
    _, _, _, adapting, own, _ = cells(fitted(recorded))
    _, classifier, dense = map(float, adapting.split(", "))
    assert dense > 2 * classifier
    assert dense > float(own)
