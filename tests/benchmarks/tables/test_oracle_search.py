"""The oracle trains what the true front needs; every order of its points is its twin."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.tables.oracle_search import compute_to, oracle, position, whole_table_s
from objectives.fronts.pareto import hypervolume
from tests.benchmarks.tiny_table import ADAPT_EPOCHS, DISTILL_EPOCHS, SCHEMES, table

SHARES = (0.5, 0.9, 0.95, 0.99)


def uneven(student):
    """Seconds of an epoch of distilling and of adapting, no two students alike."""
    alpha = student.stages[0].method.alpha
    return (3 + 20 * student.network.width + 7 * alpha, 2 + 5 * alpha)


@pytest.fixture(params=[None, uneven], ids=["even", "uneven"])
def recorded(request):
    """A table whose front needs several students: what is larger is more accurate."""
    made, rng = table(request.param), np.random.default_rng(4)
    bonus = {"fp32": 0.1, "int8_static": 0.0}
    better = {
        key: replace(
            student,
            validation={
                scheme: 0.4 + student.config.network.width / 2 + bonus[scheme] + 0.1 * rng.random()
                for scheme in SCHEMES
            },
        )
        for key, student in made.students.items()
    }
    made = replace(made, students=better)
    assert len({point.student for point in made.front}) > 2
    return made


def orders(recorded):
    """Yield (compute, hypervolume) after every point, for every order of the front's points."""
    for order in itertools.permutations(recorded.front):
        there, steps, spent = set(), [], 0.0
        for count, point in enumerate(order, 1):
            student = recorded.students[point.student]
            for prefix, stage in zip(student.config.prefixes, student.stages, strict=True):
                spent += 0 if prefix in there else sum(stage.seconds)
                there.add(prefix)
            spent += student.evaluation_seconds[point.scheme]
            worth = hypervolume(order[:count], recorded.reference, recorded.config.objectives)
            steps.append((spent, worth))
        yield steps


def test_it_ends_with_the_true_hypervolume(recorded):
    assert oracle(recorded)[-1].hypervolume == pytest.approx(recorded.true_hypervolume)


def test_it_lies_between_the_soonest_and_the_latest_of_all_orders(recorded):
    assert 1 < len(recorded.front) < 8
    steps = oracle(recorded)
    for share in SHARES:
        wanted = share * recorded.true_hypervolume - 1e-12
        computes = [
            next(spent for spent, worth in order if worth >= wanted) for order in orders(recorded)
        ]
        assert min(computes) - 1e-9 <= compute_to(share, steps, recorded) <= max(computes) + 1e-9


def test_its_first_student_has_the_most_hypervolume_a_second(recorded):
    front = {}
    for point in recorded.front:
        front.setdefault(point.student, []).append(point)
    rates = {
        key: hypervolume(points, recorded.reference, recorded.config.objectives)
        / (
            recorded.students[key].seconds
            + sum(recorded.students[key].evaluation_seconds[p.scheme] for p in points)
        )
        for key, points in front.items()
    }
    assert oracle(recorded)[0].student == max(rates, key=rates.__getitem__)


def test_both_hypervolume_and_compute_only_grow(recorded):
    steps = oracle(recorded)
    for before, after in itertools.pairwise(steps):
        assert after.compute_s > before.compute_s
        assert after.hypervolume > before.hypervolume


def test_only_points_of_the_front_are_evaluated_each_once(recorded):
    front = {(point.student, point.scheme) for point in recorded.front}
    evaluated = [(step.student, step.scheme) for step in oracle(recorded)]
    assert len(evaluated) == len(set(evaluated))
    assert set(evaluated) <= front


def test_a_share_that_is_beyond_the_table_is_never_reached(recorded):
    assert compute_to(1.1, oracle(recorded), recorded) == math.inf


def test_the_whole_table_trains_every_distillation_once():
    # Two widths by two alphas: 10 and 5 s an epoch; four adapters; eight students.
    distill = 2 * DISTILL_EPOCHS * (10 + 5)
    assert whole_table_s(table()) == pytest.approx(
        distill + 4 * ADAPT_EPOCHS * 4 + 8 * len(SCHEMES)
    )


def test_the_position_is_by_factors():
    assert position(100, 100, 1) == 0
    assert position(1, 100, 1) == 1
    assert position(10, 100, 1) == pytest.approx(0.5)
    assert position(1000, 100, 1) == pytest.approx(-0.5)
    assert math.isnan(position(5, 7, 7))
