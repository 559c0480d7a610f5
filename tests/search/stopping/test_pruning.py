import dataclasses
import math
from collections import Counter
from fractions import Fraction
from statistics import NormalDist

import numpy as np
import pytest

from objectives.fronts.pareto import Bounds, ReferencePoint
from search.problem import SearchProblem
from search.stopping.conformal import quantile, score
from search.stopping.incumbents import IncumbentFront
from search.stopping.pruning import (
    Audit,
    GoOn,
    KnownCostPruner,
    Pruner,
    Ruling,
    Stop,
    StudentInTraining,
    as_record,
    paired_margin,
    pruner_named,
)
from spaces import (
    ChainConfig,
    Choice,
    InputError,
    Space,
    UnknownNameError,
    student_key,
)
from studies.records import History, Stopped
from tests.search import fabricated

IMAGES = fabricated.IMAGES
SCHEME_NAMES = fabricated.SCHEME_NAMES
THREE = ("accuracy", "size_bytes", "latency_ms")
COSTS = fabricated.cost_table()


def problem(objectives: tuple[str, ...] = THREE, floor: float = 0.0) -> SearchProblem:
    """Return one of every scheme; a floor of 0 asks for no accuracy."""
    space = Space(("distill",), {"quantize.scheme": Choice(SCHEME_NAMES)}, seed=0)
    return SearchProblem(space, COSTS, ReferencePoint(floor, 4e6, 4.0), IMAGES, 0.99, objectives)


def ruled(pruner: Pruner, history: History, chain: ChainConfig, curve) -> Ruling:
    return pruner.rule(StudentInTraining(history, chain, tuple(curve)))


def test_a_student_whose_every_file_is_beyond_the_bounds_is_stopped():
    chain = fabricated.chain(0, width=1.0)
    fits, too_tight = (
        dataclasses.replace(problem(), bounds=Bounds(0.0, size)) for size in (500_000, 1_000)
    )
    curve = [(0.1, 0.9)]
    assert isinstance(ruled(KnownCostPruner(fits), History(), chain, curve), GoOn)
    ruling = ruled(KnownCostPruner(too_tight), History(), chain, curve)
    assert isinstance(ruling, Stop)
    assert as_record(ruling)["words"] == (
        "after 10% of its epochs it has 90.00% accuracy, and no file of mobilenet_v2@1 is within "
        "the study's bounds of size and latency"
    )


def incumbent_by_definition(history, cost, objectives, floor):
    rivals = [
        (point.accuracy, -point.number)
        for point in history.points
        if ("size_bytes" not in objectives or point.size_bytes <= cost.size_bytes)
        and ("latency_ms" not in objectives or point.latency_ms <= cost.latency_ms)
    ]
    accuracy, number = max(rivals, default=(-1.0, 0))
    return (floor, None) if accuracy < floor else (accuracy, -number)


def rule_by_definition(history, chain, curve, delta, objectives, floor):
    """Say `go on`, `stop or audit`, or `audit`, with the closest scheme, from first principles."""
    audited_keys = {s.key for s in history.students if s.audited}
    whole = {s.key: s.curve for s in history.students}
    key = student_key(chain.student)
    if curve[-1][0] == 1 or key in whole:
        return "go on", None

    def error(accuracy):
        return 1 - accuracy + 1 / (2 * IMAGES)

    def steepest(c):
        return max(
            [0.0]
            + [math.log(error(a) / error(c[-1][1])) / ((1 - e) ** 2 + 0.1) for e, a in c if e < 1]
        )

    scores = {k: steepest(c) for k, c in whole.items()}
    audited = len(audited_keys)
    stopped = len({s.key for s in history.stopped} - set(whole))
    total = len(whole) + stopped + 1
    weights = {k: 1 + Fraction(stopped * (k in audited_keys), audited + 1) for k in whole}
    needed = (1 - Fraction(str(delta))) * total
    q = min(
        (
            s
            for s in scores.values()
            if sum(w for k, w in weights.items() if scores[k] <= s) >= needed
        ),
        default=None,
    )
    if q is None:
        return "go on", None
    bound = min(1.0, *(a + error(a) * (1 - math.exp(-q * ((1 - e) ** 2 + 0.1))) for e, a in curve))

    shortfalls = {}
    for scheme in SCHEME_NAMES:
        cost = COSTS.of(chain.student.network.key, scheme)
        best, _ = incumbent_by_definition(history, cost, objectives, floor)
        finals = {s.key: s.accuracy for s in history.students}
        losses = {
            p.student: finals[p.student] - p.accuracy
            for p in history.points
            if p.scheme == scheme and p.student in finals
        }
        least = min(losses.values(), default=0)
        reach = min(1.0, bound - (least if len(losses) >= 5 else min(0, least)))
        variance = max(0, (1 - reach) + (1 - best) - (reach - best) ** 2) / IMAGES
        shortfalls[scheme] = best - NormalDist().inv_cdf(1 - delta) * math.sqrt(variance) - reach
    if min(shortfalls.values()) <= 0:
        return "go on", None
    closest = min(shortfalls, key=shortfalls.get)
    after = 1 + Fraction(stopped + 1, audited + 1) <= Fraction(str(delta)) * (total + 1)
    return ("stop or audit" if after and audited else "audit"), closest


HOPELESS = fabricated.chain(10**6, 1.0)
"""The dearest chain, in no history."""


@pytest.mark.parametrize(
    ("objectives", "floor"),
    [(THREE, 0.0), (("accuracy", "size_bytes"), 0.0), (("accuracy", "latency_ms"), 0.9)],
)
@pytest.mark.parametrize("delta", [0.1, 0.25])
def test_the_pruner_rules_as_its_definition(delta, objectives, floor):
    rng = np.random.default_rng(2026)
    seen = Counter()
    for _ in range(90):
        history = fabricated.history(rng, students=int(rng.integers(3, 60)))
        width = float(rng.choice(fabricated.WIDTHS))
        chain = fabricated.chain(int(rng.integers(0, 200)), width)
        curve = fabricated.curve(rng)[: int(rng.integers(1, 9))]
        if rng.random() < 0.5:  # A student that learns little.
            curve = tuple((e, a * rng.uniform(0.3, 0.9)) for e, a in curve)
        expected, closest = rule_by_definition(history, chain, curve, delta, objectives, floor)
        for share in (0, 1):
            pruner = KnownCostPruner(problem(objectives, floor), delta=delta, audit_share=share)
            ruling = ruled(pruner, history, chain, curve)
            seen[type(ruling).__name__] += 1
            if expected == "go on":
                assert ruling == GoOn()
            else:
                audits = expected == "audit" or share == 1
                assert isinstance(ruling, Audit if audits else Stop)
                assert ruling.reason.scheme == closest
                assert ruling.reason.shortfall > 0
    assert min(seen[name] for name in ("GoOn", "Stop", "Audit")) > 10, seen


def test_a_pruner_that_followed_the_study_rules_as_one_that_has_just_come():
    rng = np.random.default_rng(5)
    whole = fabricated.history(rng, students=60)
    curve = [(0.5, 0.3), (0.75, 0.3)]
    seen = set()
    follower = KnownCostPruner(problem(), delta=0.25)
    numbers = [p.number for p in whole.points]
    for last in [*numbers, *rng.permutation(numbers).tolist()]:
        # Growing, shrinking, growing in the middle, with points ahead of their students.
        history = History(
            tuple(p for p in whole.points if p.number <= last + 20),
            tuple(s for s in whole.students if s.number <= last and s.number % 7 != last % 7),
            tuple(s for s in whole.stopped if s.number <= last),
        )
        newcomer = KnownCostPruner(problem(), delta=0.25)

        ruling = ruled(newcomer, history, HOPELESS, curve)
        assert ruled(follower, history, HOPELESS, curve) == ruling
        seen.add(type(ruling))
    assert len(seen) > 1


@pytest.mark.parametrize("seed", range(3))
def test_trials_may_end_in_any_order_for_a_pruner_that_follows(seed):
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    whole = fabricated.history(rng, students=60)
    follower, ended, seen = KnownCostPruner(problem(), delta=0.25), set(), set()
    numbers = {one.number for one in (*whole.points, *whole.stopped)}
    for number in rng.permutation(sorted(numbers)).tolist():
        ended.add(number)
        history = History(
            tuple(p for p in whole.points if p.number in ended),
            tuple(s for s in whole.students if s.number in ended),
            tuple(s for s in whole.stopped if s.number in ended),
        )
        args = history, HOPELESS, [(0.5, 0.3), (0.75, 0.3)]
        ruling = ruled(follower, *args)
        assert ruling == ruled(KnownCostPruner(problem(), delta=0.25), *args)
        seen.add(type(ruling))
    assert len(seen) > 1


def good_history(natural, audited=0, stopped=0):
    """Return students that all went the same way to 95 %, and trial 0 small, fast and as good."""
    some = fabricated.history(np.random.default_rng(0), students=1).students[0]
    students = tuple(
        dataclasses.replace(
            some,
            number=i,
            key=fabricated.key(i),
            chain=fabricated.chain(i),
            curve=((0.5, 0.9), (1.0, 0.95)),
            accuracy=0.95,
            audited=None if i < natural else fabricated.ruling(audited=True),
        )
        for i in range(natural + audited)
    )
    best = fabricated.point(students[0], "fp32", 0, 0.0, COSTS)
    return History(
        (dataclasses.replace(best, size_bytes=1, latency_ms=0.01),),
        students,
        tuple(
            Stopped(
                1000 + i,
                fabricated.key(1000 + i),
                some.chain,
                (),
                (),
                fabricated.ruling(),
                some.completed,
            )
            for i in range(stopped)
        ),
    )


def rule(history, curve, floor=0.0, **settings):
    return ruled(KnownCostPruner(problem(floor=floor), **settings), history, HOPELESS, curve)


def test_below_the_students_that_the_level_needs_nothing_is_stopped():
    bad = [(0.5, 0.1)]

    assert rule(good_history(8), bad) == GoOn()
    assert isinstance(rule(good_history(9), bad), Audit)


def test_the_first_is_audited_and_later_ones_are_stopped():
    bad = [(0.5, 0.1)]

    assert isinstance(rule(good_history(40), bad, audit_share=0), Audit)
    assert isinstance(rule(good_history(40, audited=1), bad, audit_share=0), Stop)
    # 3 stopped for 1 audited, and a fourth would put 3 of 46 at infinity: fine at 0.1 ...
    assert isinstance(rule(good_history(40, audited=1, stopped=3), bad, audit_share=0), Stop)
    # ... but not at 0.05, where 2.5 of 45 already are too many.
    assert rule(good_history(40, audited=1, stopped=3), bad, audit_share=0, delta=0.05) == GoOn()
    # One more stop would lose the level: this one runs on, and stands for the stopped.
    lost_next = good_history(18, audited=1, stopped=2)
    assert isinstance(rule(lost_next, bad, audit_share=0), Audit)


def test_a_student_that_can_still_matter_goes_on():
    assert rule(good_history(40, audited=1), [(0.5, 0.9)]) == GoOn()
    assert rule(good_history(40, audited=1), [(0.5, 0.1), (1.0, 0.1)]) == GoOn()


def test_where_nothing_is_as_small_and_fast_a_student_goes_on():
    history = dataclasses.replace(good_history(40, audited=1), points=())

    assert rule(history, [(0.5, 0.1)]) == GoOn()
    assert isinstance(rule(history, [(0.5, 0.1)], audit_share=0, floor=0.9), Stop)


def test_the_coin_is_the_student_s_and_falls_as_often_as_stated():
    history = good_history(60, audited=5)
    pruner, newcomer = (KnownCostPruner(problem(), audit_share=0.2, seed=1) for _ in range(2))
    rulings = [
        ruled(pruner, history, fabricated.chain(5000 + i, 1.0), [(0.5, 0.1)]) for i in range(1000)
    ]
    again = ruled(newcomer, history, fabricated.chain(5000, 1.0), [(0.75, 0.1)])

    audits = sum(isinstance(ruling, Audit) for ruling in rulings)
    assert audits == pytest.approx(200, abs=3 * math.sqrt(1000 * 0.16))
    assert type(again) is type(rulings[0])


def test_a_ruling_tells_its_reason_in_words_and_as_a_record():
    ruling = rule(good_history(40, audited=1), [(0.5, 0.1)], audit_share=0)

    record = as_record(ruling)
    assert record["audited"] is False
    assert record["students"] == 41
    assert record["level"] == 0.9
    assert "after 50% of its epochs" in record["words"]
    assert "trial 0, no larger and no slower, has 95.00%" in record["words"]


@pytest.mark.parametrize(("wins", "losses"), [(30, 20), (12, 0), (0, 0)])
def test_the_margin_is_never_below_the_paired_error(wins, losses):
    # On n images a is right alone on `wins` of them and b alone on `losses`.
    n, both_right = 200, 150
    a, b = (both_right + wins) / n, (both_right + losses) / n
    outcomes = np.repeat([1, -1, 0], [wins, losses, n - wins - losses])
    exact = NormalDist().inv_cdf(0.9) * np.std(outcomes) / math.sqrt(n)

    assert paired_margin(a, b, n, 0.1) >= exact - 1e-12
    assert paired_margin(1, 1, n, 0.1) == 0


def test_incumbents_break_ties_by_the_earlier_trial_and_the_floor_yields():
    cost = COSTS.of("mobilenet_v2@0.5", "fp32")
    costs = (float(cost.size_bytes), cost.latency_ms)
    incumbents = IncumbentFront(2, floor=0.95)
    assert incumbents.at(costs).number is None

    incumbents.add(7, costs, 0.95)
    incumbents.add(3, costs, 0.95)

    assert (incumbents.at(costs).number, incumbents.at(costs).merit) == (3, 0.95)


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_the_level_holds_while_students_are_stopped_and_audited(share):
    """Whole studies, in which what is stopped is never seen again, keep the stated level."""
    delta, exceeded = 0.1, []
    for seed in range(150):
        rng = np.random.default_rng([seed, 3])
        natural, audited, stopped, best = [], [], 0, 0.0
        for _ in range(40):
            curve = fabricated.curve(rng)
            q = quantile(natural, audited, stopped, delta)
            exceeded.append(score(curve, IMAGES) > q)
            # Whoever is poor half-way is to be stopped once there is a bound.
            to_stop = q < math.inf and curve[3][1] < best - 0.1
            best = max(best, curve[-1][1])
            if to_stop and audited and rng.random() > share:
                stopped += 1
            else:
                (audited if to_stop else natural).append(score(curve, IMAGES))
    error = 3 * math.sqrt(delta * (1 - delta) / len(exceeded))

    assert np.mean(exceeded) <= delta + error


@pytest.mark.parametrize("settings", [{"delta": 0}, {"delta": 0.6}, {"audit_share": -0.1}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(InputError):
        KnownCostPruner(problem(), **settings)


def test_pruners_by_name():
    assert isinstance(pruner_named("known_costs", problem()), KnownCostPruner)
    none = pruner_named("none", problem())
    assert ruled(none, History(), HOPELESS, [(0.5, 0)]) == GoOn()
    with pytest.raises(UnknownNameError, match="known are known_costs, none"):
        pruner_named("median", problem())
