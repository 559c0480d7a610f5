"""What is expected of students before likeness counts, by closed forms and by what it leads to."""

from dataclasses import replace

import numpy as np
import pytest

from search.freeze_thaw import FreezeThaw
from search.prospects import Progress, distilled, log_error
from search.trend import Trend
from tests.search.test_freeze_thaw import GOOD, GROUND, SEEN, ended, of, student

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


def by_adapting(it: Trend, one) -> float:
    """What adapting `one` is expected to do, as a share of what there is to learn."""
    plain, changed = it.of([distilled(one), one])
    return (changed - plain) / 2.0


def test_an_adapter_takes_away_what_is_assumed_most_of_a_wide_network():
    wide, narrow = (student(width, GOOD, rank=4) for width in (0.5, 0.25))
    assert by_adapting(trend(), wide) == pytest.approx(-0.07)
    assert by_adapting(trend(), narrow) == pytest.approx(-0.07 + 0.015 * np.log(4))
    classifier = replace(wide, adaptation=replace(wide.adaptation, targets="classifier"))
    assert by_adapting(trend(), classifier) == pytest.approx(-0.01)


def test_of_adapters_that_were_seen_it_expects_what_a_bayesian_line_does():
    wide, narrow = (student(width, GOOD, rank=4) for width in (0.5, 0.25))
    seen = [(wide, 0.5, 0.6), (wide, 0.5, 0.52), (narrow, 0.6, 0.63)]
    places = np.array([0, 0, -np.log(4)])
    changes = np.array([log_error(b, IMAGES) - log_error(a, IMAGES) for _, a, b in seen]) / 2.0

    # The line that is most plausible: what is believed of it counts as two more sights of it.
    rows = np.array([*([1, x] / np.array(0.04) for x in places), [1 / 0.04, 0], [0, 1 / 0.015]])
    sights = [*(changes / 0.04), -0.07 / 0.04, -0.015 / 0.015]
    (widest, slope), *_ = np.linalg.lstsq(rows, np.array(sights))

    learned = trend(*(adapted(*one) for one in seen))
    assert by_adapting(learned, wide) == pytest.approx(widest)
    assert by_adapting(learned, narrow) == pytest.approx(widest - slope * np.log(4))


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
