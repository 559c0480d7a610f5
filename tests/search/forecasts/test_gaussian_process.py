"""The Gaussian process against dense linear algebra, and its fit against finite differences."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from search.forecasts import gaussian_process
from search.forecasts.gaussian_process import Covariance, GaussianProcess, Outcomes, fit

START = Covariance(1.0, (0.1, 0.05), 0.1, (0.7, 0.7))
IN_PARTS = replace(START, blocks=((0,), (1,)))
SCALE = 0.9


def scale_of(known: Outcomes) -> float:
    """A standard deviation of 0.9 is assumed, worth three outcomes."""
    n = len(known.values)
    return ((n * known.values.var() + 3 * SCALE**2) / (n + 3)) ** 0.5


def families(*numbers: float, adapted: bool = True) -> np.ndarray:
    """Of checkpoints by number, and of those that are adapted likewise where they are."""
    own = [[number, number if adapted else np.nan] for number in numbers]
    return np.array(own)


def outcomes(n: int, seed: int = 3) -> Outcomes:
    draws = np.random.default_rng(seed)
    features = draws.random((n, 2))
    of = np.arange(n, dtype=float) // 2
    kinds = np.stack([of, np.where(np.arange(n) % 3, of, np.nan)], axis=1)
    values = np.sin(3 * features[:, 0]) + 0.1 * draws.normal(size=n)
    return Outcomes(features, kinds, values, 0.01 * draws.random(n), SCALE)


def test_a_block_of_settings_is_alike_by_itself():
    a, b = np.array([[0.2, 0.9]]), np.array([[0.4, 0.1]])
    scaled = np.abs(a - b)[0] * 5**0.5 / 0.7
    together = np.hypot(*scaled)
    matern = [(1 + r + r**2 / 3) * np.exp(-r) for r in (together, *scaled)]
    whole = START.between(a, families(0), b, families(1))
    parts = IN_PARTS.between(a, families(0), b, families(1))
    assert whole == pytest.approx(np.array([[matern[0]]]))
    assert parts == pytest.approx(np.array([[np.dot([0.4, 0.3, 0.3], matern)]]))


def test_what_a_recipe_does_at_one_width_is_expected_of_it_at_another():
    rows = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    known = Outcomes(rows, families(0, 1, 2), np.array([0.0, 1.0, 0.0]), np.zeros(3), SCALE)
    new = np.array([[1.0, 1.0]]), families(9)
    alone, parts = (GaussianProcess(it, known).predict(*new)[0] for it in (START, IN_PARTS))
    assert parts > alone


@pytest.mark.parametrize("covariance", [START, IN_PARTS], ids=["whole", "parts"])
def test_predictions_are_those_of_dense_conditioning(covariance):
    known, new = outcomes(12), np.array([[0.2, 0.9], [0.5, 0.5]])
    kinds = np.vstack([families(3), families(99, adapted=False)])
    mean, variance = GaussianProcess(covariance, known).predict(new, kinds)
    centre, scale = known.values.mean(), scale_of(known)
    rows, of = np.vstack([known.features, new]), np.vstack([known.families, kinds])
    joint = covariance.between(rows, of, rows, of)
    joint += np.diag([covariance.own] * 14) + np.diag([*(known.noise / scale**2), 0, 0])
    joint[:12, :12] += 1e-8 * np.eye(12)
    gain = joint[12:, :12] @ np.linalg.inv(joint[:12, :12])
    expected = centre + scale * gain @ ((known.values - centre) / scale)
    left = np.diag(joint[12:, 12:] - gain @ joint[:12, 12:]) * scale**2
    assert mean == pytest.approx(expected)
    assert variance == pytest.approx(left)


def test_students_share_what_the_families_do_that_both_are_of():
    known = outcomes(12)
    process = GaussianProcess(START, known)
    rows = np.array([[0.3, 0.3], [0.3, 0.3]])
    adapted, plain = families(50), families(50, adapted=False)
    together = process.covariance_of(rows, np.vstack([adapted, adapted]))
    one_adapted = process.covariance_of(rows, np.vstack([plain, adapted]))
    apart = process.covariance_of(rows, np.vstack([adapted, families(51)]))
    checkpoint, layers = np.array(START.shared) * scale_of(known) ** 2
    assert together - one_adapted == pytest.approx(layers)
    assert one_adapted - apart == pytest.approx(checkpoint)
    variance = process.predict(rows[:1], adapted)[1][0]
    assert variance - together == pytest.approx(START.own * scale_of(known) ** 2)


def test_a_value_known_badly_counts_less():
    known = Outcomes(np.zeros((2, 2)), families(0, 1), np.array([0.0, 1.0]), np.zeros(2), SCALE)
    doubted = replace(known, noise=np.array([0.0, 9.0]))
    row, group = np.zeros((1, 2)), families(7)
    assert GaussianProcess(START, known).predict(row, group)[0] == pytest.approx([0.5])
    assert GaussianProcess(START, doubted).predict(row, group)[0][0] < 0.2


@pytest.mark.parametrize("covariance", [START, IN_PARTS], ids=["whole", "parts"])
def test_the_gradient_of_the_fit_is_that_of_finite_differences(monkeypatch, covariance):
    seen = {}

    def stop_there(loss, start, **_):
        seen["loss"], seen["start"] = loss, start
        raise StopIteration

    monkeypatch.setattr(gaussian_process, "minimize", stop_there)
    with pytest.raises(StopIteration):
        fit(outcomes(10), covariance)
    at = seen["start"] + np.array([0.1, -0.2, 0.3, -0.3, 0.2, -0.1])
    _, gradient = seen["loss"](at)
    for i, step in enumerate(1e-5 * np.eye(len(at))):
        difference = (seen["loss"](at + step)[0] - seen["loss"](at - step)[0]) / 2e-5
        assert gradient[i] == pytest.approx(difference, rel=1e-4, abs=1e-6)


def test_a_fit_finds_which_setting_matters():
    found = fit(outcomes(60), START)
    assert found.lengths[0] < found.lengths[1]
    assert found.own < 0.2


@pytest.mark.parametrize("covariance", [START, IN_PARTS], ids=["whole", "parts"])
def test_the_climb_cannot_leave_where_a_covariance_has_numbers(monkeypatch, covariance):
    seen = {}

    def stop_there(loss, _, *, bounds, **__):
        seen["loss"], seen["bounds"] = loss, bounds
        raise StopIteration

    monkeypatch.setattr(gaussian_process, "minimize", stop_there)
    with pytest.raises(StopIteration):
        fit(replace(outcomes(10), noise=np.zeros(10)), covariance)
    for corner in product(*seen["bounds"]):
        value, gradient = seen["loss"](np.array(corner))
        assert np.isfinite(value)
        assert np.all(np.isfinite(gradient))
