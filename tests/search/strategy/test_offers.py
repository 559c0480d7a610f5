import dataclasses
from datetime import UTC, datetime

import numpy as np
import pytest

from objectives.fronts import Bounds, ReferencePoint, losses_of, nondominated
from search.forecasts.gains import Gains, SchemeLosses
from search.problem import SearchProblem, check_bounds
from search.stopping import StoppingStatistics
from search.strategy.scheme_offers import offers
from spaces import (
    INTEGER_LAYOUTS,
    SCHEMES,
    Adapt,
    Calibration,
    Choice,
    FileKind,
    InputError,
    Scheme,
    Space,
    Static,
    student_key,
)
from studies.records import History, Student
from tests.search import fabricated

COSTS = fabricated.cost_table()
SCHEME_NAMES = fabricated.SCHEME_NAMES
THREE = ("accuracy", "size_bytes", "latency_ms")


def problem(objectives=THREE, floor=0.0):
    reference = ReferencePoint(floor, 10**9, 10**9)
    space = Space(("distill", "adapt"), {"quantize.scheme": Choice(SCHEME_NAMES)}, seed=0)
    return SearchProblem(space, COSTS, reference, fabricated.IMAGES, 0.95, objectives)


@pytest.mark.parametrize("bounds", [Bounds(0.0, 300_000), Bounds(0.0, latency_ms=1.5)])
def test_nothing_is_offered_beyond_a_bound(bounds):
    free, bound = (
        offers(History(), fabricated.chain(0, width=1.0), 0.9, one)
        for one in (problem(), dataclasses.replace(problem(), bounds=bounds))
    )
    assert bound == tuple(offer for offer in free if bounds.affords(offer.cost))
    assert 0 < len(bound) < len(free)


def test_bounds_that_nothing_keeps_to_are_refused():
    space = Space(
        ("distill", "adapt"),
        {
            "network.architecture": Choice(("mobilenet_v2",)),
            "network.width": Choice(fabricated.WIDTHS),
            "quantize.scheme": Choice(SCHEME_NAMES),
        },
        seed=0,
    )
    known = dataclasses.replace(problem(), space=space)
    check_bounds(known)
    check_bounds(dataclasses.replace(known, bounds=Bounds(0.0, 100_000)))
    with pytest.raises(InputError, match=r"within its \[bounds\] of 0\.001 MB: the smallest file"):
        check_bounds(dataclasses.replace(known, bounds=Bounds(0.0, 1000)))


def test_bounds_that_no_layout_that_students_are_trained_for_keeps_to_are_refused():
    name, *others = sorted(SCHEME_NAMES, key=lambda one: COSTS.of("mobilenet_v2@1", one).size_bytes)
    smallest = COSTS.of("mobilenet_v2@1", name).size_bytes
    larger = next(one for one in others if SCHEMES[one].layout.key in INTEGER_LAYOUTS)
    assert COSTS.of("mobilenet_v2@1", larger).size_bytes > smallest
    domains = {
        "network.architecture": Choice(("mobilenet_v2",)),
        "network.width": Choice((1.0,)),
        "adapt.layout": Choice((SCHEMES[larger].layout.key,)),
        "quantize.scheme": Choice(SCHEME_NAMES),
    }

    def check(ranks):
        space = Space(("distill", "adapt"), {**domains, "adapt.rank": Choice(ranks)}, seed=0)
        bounds = Bounds(0.0, smallest)
        check_bounds(dataclasses.replace(problem(), space=space, bounds=bounds))

    check((0, 8))  # Without an adapter a student may be a file of any layout.
    with pytest.raises(InputError, match="nothing that this study can make"):
        check((8,))


def least_loss(history, scheme):
    finals = {s.key: s.accuracy for s in history.students}
    seen = {p.student: finals[p.student] - p.accuracy for p in history.points if p.scheme == scheme}
    return min(seen.values(), default=0) if len(seen) >= 5 else min(0, *seen.values(), 0)


@pytest.mark.parametrize("objectives", [THREE, THREE[:2]])
@pytest.mark.parametrize("seed", range(40))
def test_offered_is_what_would_enter_the_front_if_all_went_well(seed, objectives):
    rng = np.random.default_rng(seed)
    history = fabricated.history(rng, students=int(rng.integers(5, 40)))
    student = history.students[-1]

    expected = set()
    done = {p.scheme for p in history.points if p.student == student.key}
    for scheme in set(SCHEME_NAMES) - done:
        loss = max(least_loss(history, scheme), student.accuracy - 1)
        new = fabricated.point(student, scheme, 10**6, loss, COSTS)
        losses = losses_of([*history.points, new], objectives)
        duplicate = (losses[:-1] == losses[-1]).all(axis=1).any()
        if nondominated(losses)[-1] and not duplicate:
            expected.add(scheme)
    found = offers(history, student.chain, student.accuracy, problem(objectives))

    assert {offer.scheme for offer in found} == expected
    gains = [offer.gain for offer in found]
    assert gains == sorted(gains, reverse=True)


def test_a_new_student_is_offered_every_scheme_but_its_own_the_smallest_first():
    chain = fabricated.chain(1, scheme="int8_static")

    found = offers(History(), chain, 0.9, problem())

    assert {offer.scheme for offer in found} == set(SCHEME_NAMES) - {chain.scheme.name}
    sizes = [offer.cost.size_bytes for offer in found]
    assert sizes == sorted(sizes)


def test_below_the_accuracy_floor_there_are_no_offers():
    chain = fabricated.chain(1)

    assert offers(History(), chain, 0.8, problem(floor=0.85)) == ()


def test_an_offer_is_not_repeated_while_the_trial_that_trained_its_student_still_runs():
    whole = fabricated.history(np.random.default_rng(1), students=30)
    student = whole.students[-1]
    point = fabricated.point(student, "w4a8", 999, 0.5, COSTS)
    without = History(students=whole.students[:-1])

    before = offers(without, student.chain, 0.9, problem())
    with_point = dataclasses.replace(without, points=(point,))
    after = offers(with_point, student.chain, 0.9, problem())

    assert {o.scheme for o in before} - {o.scheme for o in after} == {"w4a8"}


def adapted(number: int, layout: str, scheme: str, accuracy: float):
    chain = fabricated.chain(number, scheme=scheme)
    stages = (*chain.student.stages, Adapt(layout=layout))
    chain = dataclasses.replace(chain, student=dataclasses.replace(chain.student, stages=stages))
    key = student_key(chain.student)
    when = datetime(2026, 1, 1, tzinfo=UTC)
    return Student(number, key, chain, ((1.0, accuracy),), (), None, when, accuracy)


def test_who_was_trained_for_a_layout_is_offered_schemes_of_it_alone(monkeypatch):
    monkeypatch.setitem(SCHEMES, "clipped", Scheme("clipped", Static(8), Calibration("mse")))
    known = problem()
    domains = {"quantize.scheme": Choice((*SCHEME_NAMES, "clipped"))}
    known = dataclasses.replace(known, space=Space(("distill", "adapt"), domains, seed=0))
    chain = adapted(1, "w8a8", "int8_static", 0.9).chain
    assert {one.scheme for one in offers(History(), chain, 0.9, known)} == {"clipped"}
    chain = adapted(1, "w4", "int4_weight_only", 0.9).chain
    assert offers(History(), chain, 0.9, known) == ()


def test_what_rounding_costs_is_told_apart_by_what_students_were_trained_for():
    plain = [adapted(number, "float", "int4_weight_only", 0.9) for number in range(6)]
    aware = [adapted(number, "w4", "int4_weight_only", 0.8) for number in range(6, 12)]
    points = [fabricated.point(one, "int4_weight_only", one.number, 0.5, COSTS) for one in plain]
    points += [fabricated.point(one, "int4_weight_only", one.number, 0.01, COSTS) for one in aware]
    statistics, history = StoppingStatistics(problem()), History(tuple(points), (*plain, *aware))
    statistics.update(history)
    assert statistics.optimistic_loss("int4_weight_only") == pytest.approx(0.5)
    assert statistics.optimistic_loss("int4_weight_only", "w4") == pytest.approx(0.01)
    losses = SchemeLosses(history)
    network = plain[0].chain.student.network.key
    assert losses.of(FileKind(network), "int4_weight_only") == pytest.approx(0.5)
    assert losses.of(FileKind(network, "w4"), "int4_weight_only") == pytest.approx(0.01)
    known = Gains(
        history, {}, COSTS, problem().space.schemes_for, ReferencePoint(0.0, 10**9, 10**9)
    )
    assert known.best_scheme(FileKind(network, "w4"), -1.0, fabricated.IMAGES) == "int4_weight_only"
    mean, variance = np.log([0.05]), np.array([1e-6])
    kinds = [FileKind(network), FileKind(network, "w4")]
    gains = [known.expected(files, mean, variance, fabricated.IMAGES)[0] for files in kinds]
    assert gains[0] > gains[1] > 0  # It becomes more files, though one of them a worse one.
