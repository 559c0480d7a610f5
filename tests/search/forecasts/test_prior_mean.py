"""What is expected of students before likeness counts, by closed forms and by what it leads to."""

from dataclasses import replace

import numpy as np
import pytest

from search.forecasts.learning_curves import Progress, StageProgress, log_error
from search.forecasts.prior_mean import PriorMean
from search.strategy.freeze_thaw import FreezeThaw
from spaces import student_key
from tests.search.strategy.test_freeze_thaw import (
    GOOD,
    PROBLEM,
    SEEN,
    ended,
    of,
    student,
    with_adapter,
)

IMAGES = 100
NARROW, WIDE = student(0.25, GOOD), student(0.5, GOOD)
FLOPS = {NARROW.network.key: 100, WIDE.network.key: 400}


def prior_mean(*adapted: Progress) -> PriorMean:
    progress: Progress = [{}, {}]
    for one in adapted:
        for known, new in zip(progress, one, strict=True):
            known.update(new)
    return PriorMean(FLOPS, 2.0, IMAGES, progress)


def adapted(one, before, after, *, cut: int = 0) -> Progress:
    """Return the progress of a student; cut: epochs that its adapter was not trained."""
    first, second = one.prefixes
    distill, adapt = one.epochs
    accuracies = (0.2,) * (adapt - 1) + (after,)
    return [
        {student_key(first): StageProgress(first, (0.1,) * (distill - 1) + (before,))},
        {student_key(second): StageProgress(second, accuracies[: adapt - cut])},
    ]


def test_the_wider_errs_less_by_a_share_of_what_there_is_to_learn():
    assert prior_mean().of([WIDE, NARROW]) == pytest.approx([0.0, 0.06 * 2.0 * np.log(4)])


def test_a_taught_student_errs_less_whatever_comes_after():
    taught, adapted = student(0.5, GOOD, alpha=0.9), student(0.5, GOOD, alpha=0.9, rank=4)
    assert prior_mean().of([taught, adapted]) == pytest.approx([-0.03 * 2.0, -0.055 * 2.0])


def test_an_adapter_takes_away_what_is_assumed_until_some_were_seen():
    one = student(0.5, GOOD, rank=4)
    assert prior_mean().of([one]) == pytest.approx([-0.025 * 2.0])
    changes = [
        log_error(after, IMAGES) - log_error(before, IMAGES)
        for before, after in [(0.5, 0.6), (0.6, 0.63)]
    ]
    seen = prior_mean(adapted(one, 0.5, 0.6), adapted(student(0.25, GOOD, rank=4), 0.6, 0.63))
    assert seen.of([one]) == pytest.approx([(sum(changes) - 2 * 0.025 * 2.0) / 4])


def test_what_is_not_adapted_to_its_end_says_nothing_nor_does_an_adapter_of_other_layers():
    one = student(0.5, GOOD, rank=4)
    assert prior_mean(adapted(one, 0.5, 0.7, cut=1)).of([one]) == prior_mean().of([one])
    other = with_adapter(one, targets="classifier")
    assert prior_mean(adapted(other, 0.5, 0.7)).of([one]) == prior_mean().of([one])
    assert prior_mean(adapted(one, 0.5, 0.7)).of([one]) != prior_mean().of([one])


def forecast(history):
    """Of a study whose wide student has four times the FLOPs of its narrow one."""
    costs = tuple(replace(cost, flops=FLOPS.get(cost.network, 100)) for cost in PROBLEM.costs.costs)
    problem = replace(PROBLEM, costs=replace(PROBLEM.costs, costs=costs))
    return FreezeThaw(problem, trials=50, seed=0).forecast(history)


def test_a_wide_student_is_expected_to_be_better_before_any_was_seen():
    narrow, wide = forecast(of(SEEN[0], SEEN[1])).of([NARROW, WIDE])
    assert wide.mean < narrow.mean


def test_what_an_adapter_does_at_one_width_is_expected_at_the_other():
    def helped(by: float) -> float:
        end = ended(8, student(0.25, 0.002, rank=4))
        better = replace(end, curve=(*end.curve[:-1], (1.0, end.accuracy + by)))
        history = of(*SEEN)
        known = replace(history, students=(*history.students, better))
        plain, new = forecast(known).of([WIDE, student(0.5, GOOD, rank=4)])
        return plain.mean - new.mean

    assert helped(0.1) > helped(0.0)
