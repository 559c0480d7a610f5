"""Expected gains in hypervolume, against the front recomputed point by point."""

import numpy as np
import pytest
from scipy.stats import norm

from objectives.costs.table import Cost
from objectives.fronts.pareto import OBJECTIVES, ReferencePoint, hypervolume
from search.forecasts.gains import Gains, SchemeLosses
from spaces import FileKind
from studies.records import History, Point
from tests.search import fabricated
from tests.search.fabricated import IMAGES

SCHEMES = ("fp32", "fp16", "int8_static")
REFERENCE = ReferencePoint(accuracy_floor=0.7, size_bytes=4e6, latency_ms=4.0)
NETWORK = FileKind("mobilenet_v2@0.5")


def gains(history: History, expected=None) -> Gains:
    return Gains(history, expected or {}, fabricated.cost_table(), lambda _: SCHEMES, REFERENCE)


def offered(scheme: str, accuracy: float, cost: Cost, history: History) -> Point:
    evaluation = fabricated.evaluation(accuracy, cost.size_bytes)
    return Point(0, "offered", "new", scheme, None, accuracy, cost.size_bytes, cost.latency_ms,
                 evaluation, None, history.points[0].completed)  # fmt: skip


def moved(history: History, accuracy: float, objectives=OBJECTIVES) -> float:
    """Return the hypervolume with a further student of NETWORK that ends with `accuracy`."""
    costs, losses = fabricated.cost_table(), SchemeLosses(history)
    points: list[Point] = list(history.points)
    for scheme in SCHEMES:
        cost = costs.of(NETWORK.network, scheme)
        reached = min(1.0, accuracy - losses.of(NETWORK, scheme))
        points.append(offered(scheme, reached, cost, history))
    return hypervolume(points, REFERENCE, objectives)


@pytest.mark.parametrize("seed", range(5))
def test_a_certain_outcome_gains_what_the_front_grows_by(seed):
    history = fabricated.history(np.random.default_rng(seed), 12)
    known = gains(history)
    assert known.hypervolume == pytest.approx(hypervolume(history.points, REFERENCE))
    for accuracy in (0.75, 0.9, 0.97):
        mean = np.array([np.log(1 - accuracy + 1 / (2 * IMAGES))])
        gain = known.expected(NETWORK, mean, np.array([1e-12]), IMAGES)[0]
        grown = moved(history, accuracy) - known.hypervolume
        assert gain == pytest.approx(grown, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(("mean", "deviation"), [(0.08, 0.4), (0.02, 0.05), (0.3, 1.5)])
def test_an_uncertain_outcome_gains_the_mean_over_its_distribution(mean, deviation):
    history = fabricated.history(np.random.default_rng(11), 12)
    known = gains(history)
    logs = norm.ppf((np.arange(20_000) + 0.5) / 20_000, np.log(mean), deviation)
    each = known.expected(NETWORK, logs, np.full(len(logs), 1e-12), IMAGES)
    gain = known.expected(NETWORK, np.log([mean]), np.array([deviation**2]), IMAGES)[0]
    assert gain == pytest.approx(np.mean(each), rel=1e-3)


@pytest.mark.parametrize("objectives", [("accuracy", "size_bytes"), ("accuracy", "latency_ms")])
def test_of_two_objectives_a_gain_is_what_their_front_grows_by(objectives):
    history = fabricated.history(np.random.default_rng(3), 12)
    costs = fabricated.cost_table()
    known = Gains(history, {}, costs, lambda _: SCHEMES, REFERENCE, objectives)
    for accuracy in (0.75, 0.9, 0.97):
        mean = np.array([np.log(1 - accuracy + 1 / (2 * IMAGES))])
        gain = known.expected(NETWORK, mean, np.array([1e-12]), IMAGES)[0]
        grown = moved(history, accuracy, objectives) - hypervolume(
            history.points, REFERENCE, objectives
        )
        assert gain == pytest.approx(grown, rel=1e-6, abs=1e-12)


def test_what_is_believed_to_come_is_not_gained_again():
    def gain(known: Gains, accuracy: float) -> float:
        mean = np.array([np.log(1 - accuracy + 1 / (2 * IMAGES))])
        return known.expected(NETWORK, mean, np.array([1e-12]), IMAGES)[0]

    before, after = gains(History()), gains(History(), {NETWORK: [0.95]})
    assert gain(before, 0.95) > 0.01
    # Just below what comes there is nothing to gain, however near it is; above it there is.
    assert gain(after, 0.9499) == 0
    assert gain(after, 0.96) == pytest.approx(gain(before, 0.96) - gain(before, 0.95))


def test_more_accuracy_never_gains_less():
    history = fabricated.history(np.random.default_rng(4), 12)
    logs = np.log(np.linspace(0.3, 0.005, 50))
    worth = gains(history).expected(NETWORK, logs, np.full(50, 1e-12), IMAGES)
    assert (np.diff(worth) >= -1e-12).all()


def joint_gain(history: History, logs: dict[FileKind, np.ndarray]) -> float:
    """Return what students of these final log errors add together, by network."""
    costs, losses = fabricated.cost_table(), SchemeLosses(history)
    points = list(history.points)
    for files, errors in logs.items():
        for error in errors:
            accuracy = min(1.0, 1 + 1 / (2 * IMAGES) - np.exp(error))
            for scheme in SCHEMES:
                cost = costs.of(files.network, scheme)
                reached = min(1.0, accuracy - losses.of(files, scheme))
                points.append(offered(scheme, reached, cost, history))
    return hypervolume(points, REFERENCE) - hypervolume(history.points, REFERENCE)


@pytest.mark.parametrize("seed", range(4))
def test_several_students_gain_what_their_outcomes_drawn_at_random_do(seed):
    rng = np.random.default_rng(seed)
    history = fabricated.history(rng, 6)
    known, networks = gains(history), (NETWORK, FileKind("mobilenet_v2@1"))
    means = {name: rng.uniform(np.log(0.02), np.log(0.2), 5) for name in networks}
    deviations = {name: rng.uniform(0.1, 0.6, 5) for name in networks}

    def drawn(*names: FileKind) -> np.ndarray:
        return np.array([
            joint_gain(history, {n: rng.normal(means[n], deviations[n]) for n in names})
            for _ in range(300)
        ])  # fmt: skip

    found = {
        name: known.expected_of_all(name, means[name], deviations[name] ** 2, np.ones(5), IMAGES)
        for name in networks
    }
    for name in networks:
        sample = drawn(name)
        assert found[name] == pytest.approx(sample.mean(), abs=4 * sample.std() / 300**0.5 + 1e-4)
    together = drawn(*networks)
    assert sum(found.values()) >= together.mean() - 4 * together.std() / 300**0.5


def test_one_student_among_several_counts_by_the_probability_of_being_trained():
    history = fabricated.history(np.random.default_rng(11), 12)
    known, mean, variance = gains(history), np.log([0.08, 0.05]), np.array([0.16, 0.2])

    def of_all(*shares: float) -> float:
        return known.expected_of_all(NETWORK, mean, variance, np.array(shares), IMAGES)

    alone = known.expected_of_all(NETWORK, mean[:1], variance[:1], np.ones(1), IMAGES)
    assert alone == pytest.approx(known.expected(NETWORK, mean, variance, IMAGES)[0], rel=0.05)
    assert of_all(0, 0) == pytest.approx(0)
    assert of_all(1, 0) == pytest.approx(alone)
    assert of_all(1, 0.25) == pytest.approx(0.75 * of_all(1, 0) + 0.25 * of_all(1, 1))
    assert max(of_all(1, 0), of_all(0, 1)) < of_all(1, 1) < of_all(1, 0) + of_all(0, 1)
