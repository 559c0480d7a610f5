"""A simulated search spends what the table recorded, when a real one would have, and once."""

import heapq
import itertools
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pytest
from optuna.samplers import BaseSampler

from benchmarks.replay.clock import Clock, Parked
from benchmarks.replay.one_search import named_strategy, summary
from benchmarks.replay.simulation import Strategy, simulate
from objectives.fronts.pareto import hypervolume
from search.stopping.pruning import GoOn, NoPruner, Pause, Stop
from search.strategy.scheduler import NewFirst
from search.strategy.strategies import Parts
from spaces import DistilfrontError
from tests.benchmarks.tiny_table import SCHEMES, table

TABLE = table()
WIDE = {"network.width": 0.5, "distill.alpha": 0.0, "adapt.rank": 0, "quantize.scheme": "fp32"}
WIDE_ADAPTED = {**WIDE, "adapt.rank": 4}
NARROW = {**WIDE, "network.width": 0.25}
NARROW_ADAPTED = {**NARROW, "adapt.rank": 4}
TAUGHT = {**WIDE, "distill.alpha": 0.9}


class Scripted(BaseSampler):
    """Gives every new trial the next settings of a list, the last ones for ever."""

    def __init__(self, script):
        self._script = iter(script)
        self._given = {}

    def infer_relative_search_space(self, study, trial):  # noqa: ARG002
        return {}

    def sample_relative(self, study, trial, search_space):  # noqa: ARG002
        return {}

    def sample_independent(self, study, trial, param_name, param_distribution):  # noqa: ARG002
        if trial.number not in self._given:
            self._given[trial.number] = next(self._script)
        return self._given[trial.number][param_name]


@dataclass(frozen=True)
class Told:
    words: str = "told to"


class Ruled:
    """Rules by a function of the chain and the curve."""

    def __init__(self, function):
        self._function = function

    def rule(self, student):
        return self._function(student.chain, student.curve)


class OldestAtOnce:
    """Resumes whatever is paused before anything new begins."""

    def resumption(self, history, *, new_allowed):  # noqa: ARG002
        return next(iter(history.waiting), None)


def scripted(script, rule=None, scheduler=NewFirst, **flags):
    flags = {"offers": False, "baselines": False} | flags
    return Strategy(
        "scripted",
        lambda *_: Parts(
            Scripted(script), NoPruner() if rule is None else Ruled(rule), scheduler()
        ),
        **flags,
    )


def run(script, workers=1, of=TABLE, budget_s=np.inf, **strategy):
    script = list(script)
    return simulate(
        of, scripted(script, **strategy), workers=workers, trials=len(script), budget_s=budget_s
    )


def pause_after(*epochs):
    """Pause every student right after so many of its epochs."""
    return lambda _, curve: Pause(Told()) if len(curve) in epochs else GoOn()


def random_script(rng, trials):
    choices = [
        dict(zip(WIDE, settings, strict=True))
        for settings in itertools.product((0.25, 0.5), (0.0, 0.9), (0, 4), SCHEMES)
    ]
    return [choices[index] for index in rng.integers(0, len(choices), trials)]


def varied():
    """The table with times that are all different, so that no two events fall together."""
    rng = np.random.default_rng(3)
    times = {}

    def seconds(student):
        first = student.prefix(1)
        if first not in times:
            times[first] = float(rng.uniform(1, 20))
        return times[first], float(rng.uniform(1, 20))

    return table(seconds)


def test_one_worker_pays_each_stage_once_and_each_evaluation():
    trace = run([WIDE, WIDE_ADAPTED, NARROW, NARROW])
    # 3 x 10 + 1; only 2 x 4 + 1; 3 x 5 + 1; nothing to train + 1.
    assert [point.time_s for point in trace.points] == [31, 40, 56, 57]
    assert trace.end_s == trace.compute_s == 57
    work = [trace.seconds_of(kind) for kind in ("distill", "adapt", "evaluate")]
    assert work == [45, 8, 4]
    assert trace.idle_s == (0,)
    assert trace.useful_share == 1


def test_of_two_workers_that_want_the_same_distillation_one_waits_for_the_other():
    trace = run([WIDE, WIDE_ADAPTED, NARROW], workers=3)
    found = {point.trial: point.time_s for point in trace.points}
    # The second reuses at 30 what the first has trained, and adapts: 30 + 2 x 4 + 1.
    assert found == {0: 31, 1: 39, 2: 16}
    assert trace.waited_s == (0, 30, 0)
    assert trace.idle_s == (8, 30, 23)
    assert trace.compute_s == 31 + 9 + 16
    assert trace.useful_share == pytest.approx(56 / (3 * 39))


def test_who_waited_for_a_stage_that_was_stopped_trains_it_on():
    def rule(chain, _):
        return Stop(Told()) if len(chain.student.stages) == 1 else GoOn()

    trace = run([WIDE, WIDE_ADAPTED], workers=2, rule=rule)
    # The first is stopped at 10; the other goes on from its checkpoint: 10 + 2 x 10 + 2 x 4 + 1.
    assert [(ending.end, ending.time_s) for ending in trace.endings] == [
        ("stopped", 10),
        ("trained", 39),
    ]
    assert trace.seconds_of("distill") == 30


def test_without_sharing_everything_is_paid_again():
    trace = run([WIDE, WIDE_ADAPTED, WIDE], shares=False)
    assert [point.time_s for point in trace.points] == [31, 31 + 39, 31 + 39 + 31]
    side_by_side = run([WIDE, WIDE_ADAPTED, WIDE], workers=3, shares=False)
    assert [point.time_s for point in side_by_side.points] == [31, 31, 39]
    assert side_by_side.waited_s == (0, 0, 0)


@pytest.mark.parametrize("workers", [1, 3])
def test_without_sharing_the_clock_agrees_with_a_twin_that_deals_out_whole_trials(workers):
    recorded = varied()
    script = random_script(np.random.default_rng(workers), 40)
    trace = run(script, workers, recorded, shares=False)
    seconds = {key: row.seconds for key, row in recorded.students.items()}
    by_trial = {point.trial: point for point in trace.points}
    free = [(0.0, worker) for worker in range(workers)]
    for trial in range(40):
        begin, worker = heapq.heappop(free)
        end = begin + seconds[by_trial[trial].student] + 1
        assert by_trial[trial].time_s == pytest.approx(end)
        heapq.heappush(free, (end, worker))
    assert trace.end_s == pytest.approx(max(end for end, _ in free))


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_with_sharing_the_compute_is_that_of_the_distinct_stages_however_many_workers(workers):
    recorded = varied()
    script = random_script(np.random.default_rng(5), 30)
    trace = run(script, workers, recorded)
    stages = {}
    for point in trace.points:
        row = recorded.students[point.student]
        for prefix, stage in zip(row.config.prefixes, row.stages, strict=True):
            stages[prefix] = sum(stage.seconds)
    assert trace.compute_s == pytest.approx(sum(stages.values()) + 30)
    assert trace.trials == 30
    assert sum(trace.idle_s) == pytest.approx(workers * trace.end_s - trace.compute_s)
    for worker in range(workers):
        own = [piece for piece in trace.spent if piece.worker == worker]
        for before, after in itertools.pairwise(own):
            assert before.begin_s + before.seconds <= after.begin_s + 1e-9


@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("scheduler", [NewFirst, OldestAtOnce])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_paused_student_goes_on_and_pays_no_epoch_twice(workers, scheduler, shares):
    script = [WIDE_ADAPTED, NARROW_ADAPTED, TAUGHT]
    trace = run(script, workers, rule=pause_after(1, 4), scheduler=scheduler, shares=shares)
    assert trace.compute_s == (30 + 8 + 1) + (15 + 8 + 1) + (30 + 1)
    assert Counter(ending.end for ending in trace.endings) == {"paused": 5, "trained": 3}
    assert trace.ended("trained") == 3
    assert trace.ended("paused") == 0
    assert trace.trials == 3
    resumed = {ending.trial: ending for ending in trace.endings}
    for ending in trace.endings:
        if ending.resumes is not None:
            before = resumed[ending.resumes]
            assert (before.end, before.student) == ("paused", ending.student)
            assert before.progress < ending.progress


def test_new_students_come_before_paused_ones_or_after_as_the_scheduler_says():
    script = [WIDE, NARROW]
    later = [e.student for e in run(script, rule=pause_after(2)).endings]
    assert later == [later[0], later[1], later[0], later[1]]
    at_once = run(script, rule=pause_after(2), scheduler=OldestAtOnce).endings
    assert [e.student for e in at_once] == [later[0], later[0], later[1], later[1]]


def test_a_worker_waits_for_a_student_that_may_still_be_paused():
    def rule(chain, curve):
        wide = chain.student.network.width == 0.5
        return Pause(Told()) if wide and len(curve) == 2 else GoOn()

    trace = run([WIDE, NARROW], workers=2, rule=rule)
    # The second worker is done at 16 and waits; at 20 there is one student for the two of them.
    assert [(e.end, e.time_s) for e in trace.endings] == [
        ("trained", 16),
        ("paused", 20),
        ("trained", 31),
    ]
    last = [piece.worker for piece in trace.spent if piece.begin_s >= 20]
    assert len(set(last)) == 1
    assert trace.compute_s == 31 + 16


def test_offers_are_points_of_their_own_and_cost_an_evaluation_each():
    trace = run([WIDE], offers=True)
    assert [(p.scheme, p.origin, p.time_s) for p in trace.points] == [
        ("int8_static", "offered", 32),
        ("fp32", "sampled", 32),
    ]
    assert trace.seconds_of("evaluate") == 2
    assert {point.trial for point in trace.points} == {0}
    assert len(run([WIDE]).points) == 1


def test_our_strategies_begin_with_the_students_that_leave_a_step_out():
    ours = simulate(TABLE, named_strategy("random", "known_costs"), trials=3)
    alone = [TABLE.students[ending.student].config for ending in ours.endings]
    # The narrow one distilled and not adapted, then both without the teacher, the wide one first.
    assert [(c.network.width, c.stages[0].method.alpha, len(c.stages)) for c in alone] == [
        (0.25, 0.9, 1),
        (0.5, 0.0, 1),
        (0.25, 0.0, 1),
    ]
    assert "3 trials" in summary(ours, TABLE)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
@pytest.mark.parametrize("ours", [True, False])
def test_the_same_seed_gives_the_same_trace(sampler, ours):
    def trace(seed):
        strategy = named_strategy(sampler, "known_costs", ours=ours)
        made = simulate(varied(), strategy, workers=3, seed=seed, trials=40)
        return replace(made, wall_s=0.0, decisions={}, seed=0)

    assert trace(1) == trace(1)
    assert trace(1) != trace(2)


def test_the_budget_stops_every_worker_at_the_end_of_its_epoch():
    trace = run([WIDE, NARROW, TAUGHT], workers=2, budget_s=17)
    assert [(e.end, e.time_s) for e in trace.endings] == [
        ("trained", 16),
        ("released", 20),
        ("released", 26),
    ]
    assert trace.trials == 1
    assert trace.compute_s == 20 + 16 + 10


def test_what_the_table_does_not_have_ends_the_simulation():
    missing = replace(TABLE, students={})
    with pytest.raises(DistilfrontError, match="has no student"):
        run([WIDE], of=missing)


def test_tasks_that_nobody_wakes_are_an_error():
    clock = Clock()
    with pytest.raises(DistilfrontError, match="nobody is left"):
        clock.run([lambda: clock.park(Parked())])


@pytest.fixture
def traced():
    """A table and a search on it."""
    recorded = varied()
    strategy = named_strategy("random", "none")
    return recorded, simulate(recorded, strategy, workers=3, seed=4, trials=40)


def test_compute_by_a_time_is_what_lies_before_it(traced):
    _, trace = traced
    times = np.linspace(0, trace.end_s, 17)
    expected = [
        sum(min(max(t - piece.begin_s, 0), piece.seconds) for piece in trace.spent) for t in times
    ]
    assert trace.compute_at(times) == pytest.approx(expected)
    assert trace.compute_at([trace.end_s]) == pytest.approx(trace.compute_s)


def test_the_hypervolume_grows_as_it_does_when_measured_after_every_point(traced):
    recorded, trace = traced
    worth = [
        hypervolume(trace.points[: n + 1], recorded.reference) for n in range(len(trace.points))
    ]
    steps = {}
    for point, now, before in zip(trace.points, worth, [0.0, *worth], strict=False):
        if now > before:
            steps.setdefault(round(now, 12), point.time_s)
    growth = trace.growth(recorded)
    assert {round(step.hypervolume, 12): step.time_s for step in growth} == steps


def test_the_whole_table_reaches_everything():
    recorded = varied()
    every = random_script(np.random.default_rng(0), 200)
    whole = run(every, of=recorded)
    end = whole.reached(1.0, recorded)
    half = whole.reached(0.5, recorded)
    assert end is not None
    assert half is not None
    assert half.compute_s <= end.compute_s
    assert end.compute_s == pytest.approx(end.time_s)  # One worker.
    assert whole.regrets(recorded) == pytest.approx(0)
    assert whole.reached(1.1, recorded) is None


def test_regret_is_what_is_missing_at_each_cost_of_the_front(traced):
    recorded, trace = traced
    for compute_s in (0.0, trace.compute_s / 3, trace.compute_s):
        spent = trace.compute_at([point.time_s for point in trace.points])
        found = [p for p, by in zip(trace.points, spent, strict=True) if by <= compute_s]
        expected = [
            member.accuracy
            - max(
                [recorded.reference.accuracy_floor]
                + [
                    p.accuracy
                    for p in found
                    if p.size_bytes <= member.size_bytes and p.latency_ms <= member.latency_ms
                ]
            )
            for member in recorded.front
        ]
        assert trace.regrets(recorded, compute_s) == pytest.approx(expected)


def test_students_are_drawn_one_at_a_time(monkeypatch):
    held, seen = [], []

    @contextmanager
    def lock():
        held.append(True)
        yield
        held.pop()

    class Watching(Scripted):
        def sample_independent(self, *args):
            seen.append(len(held))
            return super().sample_independent(*args)

    strategy = scripted([])
    parts = Parts(Watching([WIDE, NARROW]), NoPruner(), NewFirst())
    monkeypatch.setattr("benchmarks.replay.simulation.nullcontext", lock)
    simulate(TABLE, replace(strategy, parts=lambda *_: parts), workers=2, trials=2)
    assert set(seen) == {1}
