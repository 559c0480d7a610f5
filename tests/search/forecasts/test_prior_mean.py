"""What is expected of students before likeness counts, by closed forms and by what it leads to."""

from dataclasses import replace

import numpy as np
import pytest

from search.forecasts.learning_curves import Progress, log_error
from search.forecasts.prior_mean import Trend
from search.strategy.freeze_thaw import FreezeThaw
from tests.search.strategy.test_freeze_thaw import GOOD, GROUND, SEEN, ended, of, student

IMAGES = 100
NARROW, WIDE = student(0.25, GOOD), student(0.5, GOOD)
FLOPS = {NARROW.architecture.key: 100, WIDE.architecture.key: 400}


def trend(*adapted) -> Trend:
    return Trend(FLOPS, 2.0, IMAGES, adapted)


def adapted(one, before, after) -> Progress:
    return Progress(
        one,
        (0.1,) * (one.schedule.epochs - 1) + (before,),
        (0.2,) * (one.adaptation.schedule.epochs - 1) + (after,),
    )


def test_the_wider_errs_less_by_a_share_of_what_there_is_to_learn():
    assert trend().of([WIDE, NARROW]) == pytest.approx([0.0, 0.06 * 2.0 * np.log(4)])


def test_an_adapter_takes_away_what_is_assumed_until_some_were_seen():
    one = student(0.5, GOOD, rank=4)
    assert trend().of([one]) == pytest.approx([-0.025 * 2.0])
    changes = [
        log_error(after, IMAGES) - log_error(before, IMAGES)
        for before, after in [(0.5, 0.6), (0.6, 0.63)]
    ]
    seen = trend(adapted(one, 0.5, 0.6), adapted(student(0.25, GOOD, rank=4), 0.6, 0.63))
    assert seen.of([one]) == pytest.approx([(sum(changes) - 2 * 0.025 * 2.0) / 4])


def test_what_is_not_adapted_to_its_end_says_nothing_nor_does_an_adapter_of_other_layers():
    one = student(0.5, GOOD, rank=4)
    whole = adapted(one, 0.5, 0.7)
    cut = replace(whole, adapt=whole.adapt[:-1])
    assert trend(cut).of([one]) == trend().of([one])
    other = replace(one, adaptation=replace(one.adaptation, targets="classifier"))
    assert trend(replace(whole, student=other)).of([one]) == trend().of([one])


def outlook(history):
    """Of a study whose wide student has four times the FLOPs of its narrow one."""
    costs = tuple(
        replace(cost, flops=FLOPS.get(cost.architecture, 100)) for cost in GROUND.costs.costs
    )
    ground = replace(GROUND, costs=replace(GROUND.costs, costs=costs))
    return FreezeThaw(ground, trials=50, seed=0).outlook(history)


def test_a_wide_student_is_expected_to_be_better_before_any_was_seen():
    narrow, wide = outlook(of(SEEN[0], SEEN[1])).prospects([NARROW, WIDE])
    assert wide.mean < narrow.mean


def test_what_an_adapter_does_at_one_width_is_expected_at_the_other():
    def helped(by: float) -> float:
        end = ended(8, student(0.25, 0.002, rank=4))
        better = replace(end, curve=(*end.curve[:-1], (1.0, end.accuracy + by)))
        history = of(*SEEN)
        known = replace(history, students=(*history.students, better))
        plain, new = outlook(known).prospects([WIDE, student(0.5, GOOD, rank=4)])
        return plain.mean - new.mean

    assert helped(0.1) > helped(0.0)
