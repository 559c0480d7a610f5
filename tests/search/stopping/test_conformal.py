import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.stopping.conformal import attainable, quantile, score, upper_bound
from spaces import DistilfrontError
from tests.search import fabricated

IMAGES = fabricated.IMAGES

curves = st.lists(
    st.integers(0, IMAGES).map(lambda correct: correct / IMAGES), min_size=1, max_size=12
).map(lambda accuracies: [((i + 1) / len(accuracies), a) for i, a in enumerate(accuracies)])


def error(accuracy):
    return 1 - accuracy + 1 / (2 * IMAGES)


def test_the_score_of_an_exponential_fall_is_its_rate():
    # error(e) = error(1) * exp(3 ((1 - e)^2 + 0.1)): every step has the same score.
    falling = [
        (e, 1 + 1 / (2 * IMAGES) - 0.04 * math.exp(3 * ((1 - e) ** 2 + 0.1)))
        for e in (0.25, 0.5, 0.75)
    ]
    falling.append((1.0, 1 + 1 / (2 * IMAGES) - 0.04))

    assert score(falling, IMAGES) == pytest.approx(3)
    assert upper_bound(falling[:1], IMAGES, 3) == pytest.approx(falling[-1][1])


def test_the_worst_step_counts():
    assert score([(0.5, 0.5), (0.9, 0.5), (1.0, 0.9)], IMAGES) == pytest.approx(
        math.log(error(0.5) / error(0.9)) / (0.1**2 + 0.1)
    )


def test_a_student_is_never_promised_to_get_worse():
    assert score([(0.5, 0.9), (1.0, 0.5)], IMAGES) == 0
    assert score([(1.0, 0.5)], IMAGES) == 0


def test_only_whole_curves_can_be_learnt_from():
    with pytest.raises(DistilfrontError, match="progress 1"):
        score([(0.5, 0.9)], IMAGES)


@given(curves)
def test_a_curve_stays_under_the_bound_of_its_own_score_at_every_step(curve):
    q = score(curve, IMAGES)

    for steps in range(1, len(curve) + 1):
        assert upper_bound(curve[:steps], IMAGES, q) >= curve[-1][1] - 1e-12


@given(curves, st.floats(0, 20), st.floats(0, 20))
def test_bounds_fall_with_every_step_and_rise_with_the_quantile(curve, q, more):
    bounds = [upper_bound(curve[:steps], IMAGES, q) for steps in range(1, len(curve))]

    assert bounds == sorted(bounds, reverse=True)
    for steps, bound in enumerate(bounds, start=1):
        assert upper_bound(curve[:steps], IMAGES, q + more) >= bound
    assert upper_bound(curve, IMAGES, q) == curve[-1][1]


def test_an_infinite_quantile_bounds_nothing():
    assert upper_bound([(0.9, 0.1)], IMAGES, math.inf) == 1


@pytest.mark.parametrize("delta", [0.05, 0.1, 0.25])
@pytest.mark.parametrize("n", [0, 2, 3, 8, 9, 18, 19, 40])
def test_without_stopped_students_it_is_split_conformal(n, delta):
    scores = np.random.default_rng(n).normal(size=n).tolist()
    rank = math.ceil(round((1 - delta) * (n + 1), 9))

    expected = sorted(scores)[rank - 1] if rank <= n else math.inf

    assert quantile(scores, [], 0, delta) == expected


def quantile_by_definition(natural, audited, stopped, delta):
    """The least score that a stranger exceeds with probability at most delta, gap by gap."""
    strangers = stopped + 1
    for q in sorted([*natural, *audited]):
        above = sum(s > q for s in [*natural, *audited]) + 1
        # Of the a + 1 gaps between audited scores, those that may lie above q.
        gaps = sum(s > q for s in audited) + 1
        above += stopped * gaps / (len(audited) + 1)
        if above <= delta * (len(natural) + len(audited) + strangers) + 1e-9:
            return q
    return math.inf


@given(
    st.lists(st.integers(0, 9), max_size=40),
    st.lists(st.integers(0, 9), max_size=12),
    st.integers(0, 30),
    st.sampled_from([0.05, 0.1, 0.3]),
)
def test_the_quantile_is_its_definition(natural, audited, stopped, delta):
    q = quantile(natural, audited, stopped, delta)

    assert q == quantile_by_definition(natural, audited, stopped, delta)
    assert math.isinf(q) == (not attainable(len(natural), len(audited), stopped, delta))


def test_stopped_students_that_nobody_stands_for_are_at_infinity():
    scores = [float(i) for i in range(30)]

    assert quantile(scores, [], 1, 0.1) == scores[28]
    assert quantile(scores, [], 3, 0.1) == math.inf


def test_strangers_exceed_the_quantile_as_often_as_stated():
    # Of 19 exchangeable scores and a stranger, the stranger is above the 18th in 2 of 20 cases.
    rng = np.random.default_rng(7)
    strangers = [
        score(fabricated.curve(rng), IMAGES)
        > quantile([score(fabricated.curve(rng), IMAGES) for _ in range(19)], [], 0, 0.1)
        for _ in range(2000)
    ]

    assert np.mean(strangers) == pytest.approx(0.1, abs=3 * math.sqrt(0.09 / 2000))
