"""What freeze-thaw begins, pauses and goes on with."""

from dataclasses import replace

import numpy as np
import pytest

from objectives import StageRecord
from objectives.fronts.pareto import ReferencePoint
from search.forecasts.candidates import Candidates
from search.forecasts.features import Features, RandomEffects
from search.problem import SearchProblem
from search.stopping.pruning import GoOn, NoPruner, Pause, StudentInTraining
from search.strategy.freeze_thaw import FreezeThaw, FreezeThawPruner
from spaces import (
    SCHEME_KEY,
    Adapt,
    ChainConfig,
    Distill,
    StudentConfig,
    Value,
    scheme_named,
    student_key,
)
from studies import load_study
from studies.records import Failed, History, Paused, Point, Running, Student
from tests.search import fabricated

CONFIG = load_study(
    "kd_lora_q",
    [
        "space.network.width=[0.25, 0.5]",
        "space.distill.alpha=[0.0, 0.9]",
        "space.distill.temperature=[4]",
        "space.distill.learning_rate=[0.0005, 0.002, 0.02]",
        "space.adapt.rank=[0, 4]",
        "space.adapt.lora_alpha=[16]",
        "space.adapt.dropout=[0.0]",
        "space.adapt.targets=['dense']",
        "space.adapt.learning_rate=[0.003]",
        "space.quantize.scheme=['fp32', 'int8_static']",
    ],
)
SPACE = CONFIG.search_space()
STUDENTS = list(SPACE.students())
WHEN = fabricated.history(np.random.default_rng(0), 1).points[0].completed
PROBLEM = SearchProblem(SPACE, fabricated.cost_table(), ReferencePoint(0.7, 4e6, 4.0), 360, 0.99)
GOOD = 0.02
"""The learning rate that trains well, at every width."""


def distilling(student) -> Distill:
    """Return its first stage."""
    first, *_ = student.stages
    assert isinstance(first, Distill)
    return first


def rank_of(student) -> int:
    """Return that of its adapter, 0 without one."""
    return next((stage.rank for stage in student.stages if isinstance(stage, Adapt)), 0)


def with_adapter(student, **changed) -> StudentConfig:
    """Return the student with another adapter."""
    first, adapter = student.stages
    return replace(student, stages=(first, replace(adapter, **changed)))


def params_of(student) -> dict[str, Value]:
    return SPACE.params_of(chain(student))


def final(student) -> float:
    trained = 0.93 if distilling(student).learning_rate == GOOD else 0.75
    return trained + 0.1 * student.network.width


def curve(student, epochs=None):
    total = student.total_epochs
    ends = range(1, (epochs or total) + 1)
    return tuple((e / total, final(student) * (1 - 0.5 * (1 - e / total))) for e in ends)


def chain(student) -> ChainConfig:
    return ChainConfig(student, scheme_named("fp32"))


def ended(number, student) -> Student:
    stage = StageRecord("distill", "", 8.0, 0.0, 8)
    return Student(number, student_key(student), chain(student), curve(student), (stage,), None,
                   WHEN, final(student))  # fmt: skip


def paused(number, student, epochs=2) -> Paused:
    return Paused(number, student_key(student), chain(student), curve(student, epochs), (),
                  fabricated.ruling(paused=True), WHEN)  # fmt: skip


def point(number, student, scheme) -> Point:
    cost = PROBLEM.costs.of(student.network.key, scheme)
    evaluation = fabricated.evaluation(final(student), cost.size_bytes)
    return Point(number, "sampled", student_key(student), scheme, chain(student), final(student),
                 cost.size_bytes, cost.latency_ms, evaluation, None, WHEN)  # fmt: skip


def of(*students, **more) -> History:
    """Return a history in which `students` ran to their ends."""
    return History(
        points=tuple(
            point(i, student, scheme)
            for i, student in enumerate(students)
            for scheme in PROBLEM.schemes
        ),
        students=tuple(ended(i, student) for i, student in enumerate(students)),
        **more,
    )


def student(width, rate, alpha=0.0, rank=0):
    return next(
        s
        for s in STUDENTS
        if (s.network.width, distilling(s).learning_rate, distilling(s).method.alpha, rank_of(s))
        == (width, rate, alpha, rank)
    )


SEEN = (student(0.25, 0.0005), student(0.25, 0.002), student(0.25, GOOD), student(0.5, 0.0005))


def test_it_begins_what_the_others_say_is_good():
    drawn = FreezeThaw(PROBLEM, trials=50, seed=0).draw(of(*SEEN))
    assert drawn is not None
    assert drawn["distill.learning_rate"] == GOOD


def test_what_failed_is_not_drawn_again():
    search = FreezeThaw(PROBLEM, trials=50, seed=0)
    drawn = search.draw(of(*SEEN))
    failed = Failed(9, "diverged", "", drawn)
    again = search.draw(of(*SEEN, failed=(failed,)))
    assert {**again, SCHEME_KEY: None} != {**drawn, SCHEME_KEY: None}


def test_before_a_student_ended_it_says_nothing():
    search = FreezeThaw(PROBLEM, trials=50, seed=0)
    assert search.draw(History()) is None
    assert search.resumption(History(paused=(paused(0, SEEN[2]),)), new_allowed=True) is None


def test_an_adapter_of_a_checkpoint_costs_its_own_epochs_alone():
    forecast = FreezeThaw(PROBLEM, trials=50, seed=0).forecast(of(*SEEN))
    adapter, new = student(0.25, GOOD, rank=4), student(0.25, GOOD, alpha=0.9, rank=4)
    cheap, dear = forecast.of([adapter, new])
    assert dear.seconds - cheap.seconds == pytest.approx(8.0)


def test_it_goes_on_with_a_paused_student_that_is_worth_most():
    promising, hopeless = student(0.5, GOOD), student(0.5, 0.002)
    history = of(*SEEN, paused=(paused(8, hopeless), paused(9, promising, epochs=7)))
    search = FreezeThaw(PROBLEM, trials=50, seed=0)
    assert search.resumption(history, new_allowed=False).number == 9


def test_what_adds_nothing_is_left_when_all_were_sampled():
    bad = student(0.5, 0.0005, alpha=0.9)
    history = of(*(s for s in STUDENTS if s != bad), paused=(paused(30, bad, epochs=7),))
    assert FreezeThaw(PROBLEM, trials=24, seed=0).resumption(history, new_allowed=False) is None


def rule(search, history, one, epochs, pruner=None):
    pruner = pruner or FreezeThawPruner(search, NoPruner())
    running = Running(30, None, curve(one, epochs), student_key(one), chain(one))
    history = replace(history, running=(*history.running, running))
    return pruner.rule(StudentInTraining(history, chain(one), curve(one, epochs)))


def test_a_student_that_another_is_worth_more_than_is_paused():
    bad, good = student(0.25, 0.0005, alpha=0.9), student(0.5, GOOD)
    narrow = [s for s in STUDENTS if s.network.width == 0.25 and s != bad]
    search, history = FreezeThaw(PROBLEM, trials=50, seed=0), of(*narrow)
    ruling = rule(search, history, bad, 6)
    assert isinstance(ruling, Pause)
    assert "another student promises" in ruling.reason.words
    assert isinstance(rule(search, history, good, 2), GoOn)


def test_a_student_is_ruled_by_what_it_was_chosen_by_and_looks_again_where_nobody_chose():
    search = FreezeThaw(PROBLEM, trials=50, seed=0)
    pruner = FreezeThawPruner(search, NoPruner())
    search.draw(of(*SEEN))
    chosen_by = search.latest
    one, another = student(0.5, GOOD), student(0.5, 0.002)
    rule(search, of(*SEEN), one, 1, pruner)
    later = of(*SEEN, student(0.5, GOOD, alpha=0.9))
    rule(search, later, one, 2, pruner)
    assert search.latest is chosen_by
    rule(search, later, another, 1, pruner)
    assert search.latest is not chosen_by


def test_nobody_makes_way_for_what_others_began_or_ended_or_failed_at_since():
    bad = student(0.25, 0.0005, alpha=0.9)
    narrow = [s for s in STUDENTS if s.network.width == 0.25 and s != bad]
    wide = [s for s in STUDENTS if s.network.width == 0.5]
    begun = (Running(30 + i, None, (), student_key(s), chain(s)) for i, s in enumerate(wide))
    diverged = (Failed(30 + i, "diverged", "", params_of(s)) for i, s in enumerate(wide))
    for since, expected in (
        (of(*narrow), Pause),
        (of(*narrow, *wide), GoOn),
        (of(*narrow, running=tuple(begun)), GoOn),
        (of(*narrow, failed=tuple(diverged)), GoOn),
    ):
        search = FreezeThaw(PROBLEM, trials=50, seed=0)
        pruner = FreezeThawPruner(search, NoPruner())
        rule(search, of(*narrow), bad, 1, pruner)
        assert isinstance(rule(search, since, bad, 6, pruner), expected)


def test_what_ended_failed_or_runs_is_not_begun_and_what_waits_may_be_gone_on_with():
    candidates = Candidates(SPACE, seed=0)
    waits, runs, failed = STUDENTS[5], STUDENTS[6], STUDENTS[7]
    history = of(
        *SEEN,
        paused=(paused(8, waits),),
        running=(Running(9, None, (), student_key(runs), chain(runs)),),
        failed=(
            Failed(10, "diverged", "", params_of(failed)),
            Failed(11, "interrupted", "", params_of(STUDENTS[9])),
        ),
    )
    begun = {student_key(one) for one in candidates.of(history)}
    expected = {student_key(one) for one in STUDENTS} - {student_key(one) for one in SEEN}
    assert begun == expected - {student_key(runs), student_key(failed)}


def test_who_is_adapted_in_the_same_layers_is_of_one_family_of_its_checkpoint():
    plain, four = student(0.25, GOOD), student(0.25, GOOD, rank=4)
    another = with_adapter(four, rank=8)
    classifier = with_adapter(four, targets="classifier")
    elsewhere = student(0.5, GOOD, rank=4)
    layers = load_study("kd_lora_q", ["space.adapt.targets=['dense', 'classifier']"])
    rows = RandomEffects(layers.search_space()).of([plain, four, another, classifier, elsewhere])
    common = [[int((a == b).sum()) for b in rows] for a in rows]
    assert common == [
        [2, 1, 1, 1, 0],
        [1, 2, 2, 1, 0],
        [1, 2, 2, 1, 0],
        [1, 1, 1, 2, 0],
        [0, 0, 0, 0, 2],
    ]


def test_a_space_of_any_size_has_candidates_that_differ_and_are_valid():
    config = load_study("kd_lora_q")
    candidates = Candidates(config.search_space(), seed=3)
    found = candidates.of(History())
    assert len({student_key(one) for one in found}) == len(found) > 1000
    again = Candidates(config.search_space(), seed=3).of(History())
    assert [student_key(one) for one in again] == [student_key(one) for one in found]


def test_features_tell_all_students_apart_and_know_checkpoints_that_are_none():
    features = Features(SPACE)
    rows = {tuple(features.of(one)) for one in STUDENTS}
    assert len(rows) == len(STUDENTS)
    assert all(0 <= value <= 1 for row in rows for value in row)
    always = load_study("kd_lora_q", ["space.adapt.rank=[4, 8]"]).search_space()
    adapted = next(always.students())
    assert Features(always).of(adapted.prefix(1)).min() >= 0
