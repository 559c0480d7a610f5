"""Probabilities of being on the front: closed forms, a brute-force twin, what must not matter."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from objectives.fronts.front_probability import (
    SEED_SD,
    Beliefs,
    Cells,
    Scored,
    contenders,
    front_probabilities,
    log_odds,
)
from objectives.fronts.pareto import nondominated
from spaces import SCHEMES, DistilfrontError

IMAGES = 400
CERTAIN = 4 * 0.5 / math.sqrt(4000)
"""Four standard errors of a share of the draws, at the least sure one."""


def point(student, *accuracies, costs=(1.0, 1.0), scheme="fp32"):
    return Scored(student, scheme, accuracies, costs)


def variance(accuracy, own=0.04):
    """By hand: of a recipe's log odds after one training."""
    odds = log_odds([accuracy], IMAGES)[0]
    p = 1 / (1 + math.exp(-odds))
    return (SEED_SD**2 + 1 / (IMAGES * p * (1 - p))) * (1 + own)


def phi(x):
    return NormalDist().cdf(x)


def ahead(better, worse):
    one, other = log_odds([better, worse], IMAGES)
    return one - other


def test_of_two_points_the_dearer_is_there_when_it_is_better():
    cheap, dear = point("a", 0.95), point("b", 0.96, costs=(1.0, 2.0))
    expected = phi(ahead(0.96, 0.95) / math.sqrt(variance(0.95) + variance(0.96)))
    found = front_probabilities([cheap, dear], IMAGES)
    assert found == pytest.approx([1.0, expected], abs=CERTAIN)


def test_of_two_points_at_one_cost_only_the_better_is_there():
    found = front_probabilities([point("a", 0.95), point("b", 0.96)], IMAGES)
    assert found.sum() == 1.0
    assert found[1] == pytest.approx(
        phi(ahead(0.96, 0.95) / math.sqrt(variance(0.95) + variance(0.96))), abs=CERTAIN
    )


def test_of_three_equal_recipes_each_is_best_in_a_third():
    found = front_probabilities([point(name, 0.9) for name in "abc"], IMAGES)
    assert found == pytest.approx([1 / 3] * 3, abs=CERTAIN)


def test_schemes_of_one_student_share_its_luck():
    dear = point("a", 0.96, costs=(2.0, 2.0))
    same = front_probabilities([dear, point("a", 0.95, scheme="fp16")], IMAGES)
    other = front_probabilities([dear, point("b", 0.95, scheme="fp16")], IMAGES)
    assert same[0] > other[0] + 0.1
    coarse = front_probabilities([dear, point("a", 0.95, scheme="w4a8")], IMAGES)
    assert other[0] < coarse[0] < same[0]


def test_what_is_not_comparable_is_sure_however_close():
    found = front_probabilities(
        [point("a", 0.95, costs=(1.0, 2.0)), point("b", 0.95, costs=(2.0, 1.0))], IMAGES
    )
    assert found.tolist() == [1.0, 1.0]


def test_repeats_that_agree_make_it_surer_and_by_as_much_as_their_number_says():
    cheap = point("a", *[0.95] * 3)
    dear = point("b", *[0.96] * 3, costs=(2.0, 2.0))
    # The prior is worth four trainings, and two students twice repeated without any spread.
    scale = 4 / (4 + 2 + 2)
    spread = math.sqrt(scale * (variance(0.95) + variance(0.96)) / 3)
    found = front_probabilities([cheap, dear], IMAGES)[1]
    assert found == pytest.approx(phi(ahead(0.96, 0.95) / spread), abs=CERTAIN)
    once = front_probabilities([point("a", 0.95), point("b", 0.96, costs=(2.0, 2.0))], IMAGES)
    assert found > once[1] + 0.1


def test_repeats_that_differ_say_that_all_luck_is_greater():
    quiet = [point("a", 0.95), point("b", 0.97, costs=(2.0, 2.0)), point("c", 0.5, 0.5)]
    noisy = [*quiet[:2], point("c", 0.3, 0.7)]
    assert front_probabilities(noisy, IMAGES)[1] < front_probabilities(quiet, IMAGES)[1]
    # A student's schemes tell of one training: more of them are no more evidence.
    twice = [*noisy, point("c", 0.3, 0.7, scheme="fp16")]
    assert Beliefs.of(twice, IMAGES).common_sd[0] == pytest.approx(
        Beliefs.of(noisy, IMAGES).common_sd[0]
    )


def test_a_recipe_that_was_tried_twice_does_not_beat_itself():
    once = [point("a", 0.95), point("b", 0.95)]
    found = front_probabilities([*once, point("a", 0.95)], IMAGES)
    assert found[0] == found[2]
    assert found[0] == pytest.approx(0.5, abs=CERTAIN)


def random_points(generator, size):
    """Return points of students under different schemes, some of them repeated."""
    points = []
    for number in range(-(-size // 3)):
        good = generator.uniform(0.3, 0.98)
        seeds = int(generator.integers(1, 4))
        for scheme in generator.choice(list(SCHEMES), 3, replace=False):
            accuracies = tuple((good + generator.uniform(-0.02, 0.02, seeds)).tolist())
            costs = (float(generator.integers(1, 6)), float(generator.integers(1, 4)))
            points.append(Scored(f"student {number}", str(scheme), accuracies, costs))
    return points[:size]


@pytest.mark.parametrize("costs", [1, 2])
@pytest.mark.parametrize("seed", range(10))
def test_fronts_of_draws_are_those_of_brute_force(seed, costs):
    print("seed", seed)
    generator = np.random.default_rng(seed)
    table = generator.integers(0, 4, size=(40, costs)).astype(float)
    goodness = generator.standard_normal((20, 40))
    found = Cells(table).on_front(goodness)
    expected = [nondominated(np.column_stack([-drawn, table])) for drawn in goodness]
    assert (found == np.array(expected)).all()


@pytest.mark.parametrize("seed", range(10))
def test_what_is_left_out_is_on_no_front(seed):
    print("seed", seed)
    generator = np.random.default_rng(seed)
    points = random_points(generator, 120)
    beliefs = Beliefs.of(points, IMAGES)
    times = Cells(beliefs.costs).on_front(beliefs.draw(2000, generator)).mean(axis=0)
    found = front_probabilities(points, IMAGES)
    assert found == pytest.approx(times, abs=4 * 0.5 * math.sqrt(1 / 4000 + 1 / 2000))
    counting = contenders(beliefs)
    assert not counting.all()
    assert not times[~counting].any()


@pytest.mark.parametrize("seed", range(5))
def test_beaten_by_is_the_share_of_draws(seed):
    print("seed", seed)
    generator = np.random.default_rng(seed)
    points = random_points(generator, 30)
    beliefs = Beliefs.of(points, IMAGES)
    drawn = beliefs.draw(4000, generator)
    for index in range(0, 30, 7):
        no_dearer = (beliefs.costs <= beliefs.costs[index]).all(axis=1)
        expected = (drawn > drawn[:, [index]]).mean(axis=0) * no_dearer
        assert beliefs.beaten_by(index) == pytest.approx(expected, abs=CERTAIN)
        assert beliefs.beaten_by(index)[index] == 0


def test_the_same_points_have_the_same_probabilities_and_none_have_none():
    points = random_points(np.random.default_rng(0), 60)
    assert (front_probabilities(points, IMAGES) == front_probabilities(points, IMAGES)).all()
    assert front_probabilities([], IMAGES).tolist() == []
    assert front_probabilities([point("a", 1.0), point("b", 0.0)], IMAGES)[0] > 0.999


@pytest.mark.parametrize("accuracies", [(), (1.2,), (math.nan,), (-0.1, 0.5)])
def test_what_is_no_accuracy_is_refused(accuracies):
    with pytest.raises(DistilfrontError, match="accuracies in \\[0, 1\\]"):
        point("a", *accuracies)
