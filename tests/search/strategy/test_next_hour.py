"""What an hour is expected to add, and what happens where that is too little."""

from dataclasses import replace

import pytest

from search.cli.session import open_session
from search.forecasts.student_forecast import StudentForecast
from search.stopping.pruning import GoOn, NoPruner, Pause, StudentInTraining
from search.strategy.freeze_thaw import FreezeThaw, FreezeThawPruner
from search.strategy.next_hour import NextHour, filled
from spaces import student_key
from studies.records import History, Running
from tests.search.commands_run import run_here, tree
from tests.search.searching import assert_whole, sampled, search_here, trials_in
from tests.search.strategy.test_freeze_thaw import (
    GOOD,
    PROBLEM,
    SEEN,
    STUDENTS,
    chain,
    curve,
    of,
    paused,
    student,
)

WIDE, ADAPTED = student(0.5, GOOD), student(0.5, GOOD, rank=4)
NARROW = student(0.25, GOOD, alpha=0.9)


def forecast_under(history):
    return FreezeThaw(PROBLEM, trials=50, seed=0).forecast(history)


def promising(one, gain, seconds):
    return StudentForecast(one, mean=0.0, variance=1.0, gain=gain, seconds=seconds)


def test_the_most_worthy_fill_the_time_and_the_last_in_part():
    two = [promising(WIDE, gain=1.0, seconds=30.0), promising(NARROW, gain=2.0, seconds=20.0)]
    forecast = forecast_under(of(*SEEN))
    chosen = filled(two, forecast, 30.0, new=9, paused=())
    assert chosen == [(two[1], 1.0), (two[0], pytest.approx(1 / 3))]
    assert filled(two, forecast, 10.0, new=9, paused=()) == [(two[1], 0.5)]
    assert len(filled(two, forecast, 20.0, new=9, paused=())) == 1
    assert filled([], forecast, 20.0, new=9, paused=()) == []


def test_no_more_new_students_than_there_are_trials_and_paused_ones_besides():
    two = [promising(WIDE, gain=2.0, seconds=1.0), promising(NARROW, gain=1.0, seconds=1.0)]
    forecast = forecast_under(of(*SEEN))
    assert filled(two, forecast, 99.0, new=1, paused=()) == [(two[0], 1.0)]
    assert filled(two, forecast, 99.0, new=0, paused={student_key(NARROW)}) == [(two[1], 1.0)]


def test_students_of_one_checkpoint_distil_it_once():
    forecast = forecast_under(of(*SEEN))
    (distilled_s,), seconds = forecast.stage_seconds(WIDE), forecast.of([ADAPTED])[0].seconds
    assert 0 < distilled_s < seconds
    two = [promising(WIDE, gain=99.0, seconds=distilled_s), promising(ADAPTED, 1.0, seconds)]
    both = filled(two, forecast, seconds, new=9, paused=())
    assert [share for _, share in both] == [1.0, 1.0]


def test_an_hour_of_more_workers_promises_no_less_and_that_of_all_trials_no_more():
    history, search = of(*SEEN), FreezeThaw(PROBLEM, trials=5, seed=0)
    by_workers = [NextHour(search, workers=n).expected(history).gain for n in (1, 2, 8)]
    assert by_workers == sorted(by_workers)
    limited, free = (
        NextHour(search, workers=8).expected(history, any_trials=free).gain
        for free in (False, True)
    )
    assert 0 < limited < free
    assert NextHour(search, workers=1).expected(History()) is None


def test_when_everything_was_trained_an_hour_adds_nothing():
    ahead = NextHour(FreezeThaw(PROBLEM, trials=50, seed=0), workers=1, least=1e-9)
    assert ahead.expected(of(*STUDENTS)).gain == 0
    assert ahead.is_not_worth_it(of(*STUDENTS))
    assert not ahead.is_not_worth_it(of(*SEEN))
    assert not ahead.is_not_worth_it(History())


def test_without_trials_left_only_paused_students_count():
    ahead = NextHour(FreezeThaw(PROBLEM, trials=len(SEEN), seed=0), workers=1, least=1e-9)
    assert ahead.is_not_worth_it(of(*SEEN))
    assert not ahead.is_not_worth_it(of(*SEEN, paused=(paused(8, WIDE, epochs=7),)))


@pytest.mark.parametrize(("enough", "ruling"), [(False, Pause), (True, GoOn)])
def test_nobody_is_paused_for_students_that_will_not_be_trained(enough, ruling):
    bad = student(0.25, 0.0005, alpha=0.9)
    running = Running(30, None, curve(bad, 6), student_key(bad), chain(bad))
    narrow = [s for s in STUDENTS if s.network.width == 0.25 and s != bad]
    history = replace(of(*narrow), running=(running,))
    asked = []
    pruner = FreezeThawPruner(
        FreezeThaw(PROBLEM, trials=50, seed=0),
        NoPruner(),
        lambda history: asked.append(history) or enough,
    )
    ruled = pruner.rule(StudentInTraining(history, chain(bad), curve(bad, 6)))
    assert isinstance(ruled, ruling)
    assert asked == [history]


@pytest.fixture
def ended(searched, tmp_path):
    """A study that its least gain ended after the student that must be trained."""
    runs = searched.prepare(tmp_path / "runs", teacher=True)
    search_here(searched.file, runs, "least_gain_per_hour=100", costs=searched.costs)
    return runs


def test_a_study_ends_by_its_least_gain_and_goes_on_with_a_smaller_one(searched, ended):
    first = len(sampled(trials_in(ended)))
    assert 0 < first < 4
    assert_whole(ended, first)

    def session(*settings):
        return open_session(str(searched.file), settings, ended, None)

    assert not session().is_finished()
    stopped = session("least_gain_per_hour=100")
    assert stopped.is_finished()
    assert stopped.study_end().ended_by == "least_gain"
    before = tree(ended / "cache")
    run = ("run", "--study", searched.file, "--runs-dir", ended)
    said = run_here(*run, "--least-gain", "100", cwd=ended)
    assert said.returncode == 0, said.stderr
    words = said.stdout.splitlines()[-1]
    assert words == stopped.study_end().words
    assert words.startswith(f"Stopped after {first} of 4 trials: the next hour is expected to add ")
    assert "less than the 10000 % set with --least-gain; for more: --least-gain " in words
    assert tree(ended / "cache") == before
    smaller = float(words.rpartition(" ")[2])
    assert smaller < stopped.study_end().next_hour.share
    status = run_here("status", "--study", "tiny", "--runs-dir", ended, cwd=ended)
    assert words in status.stdout.splitlines()
    search_here(searched.file, ended, f"least_gain_per_hour={smaller}")
    assert len(sampled(trials_in(ended))) > first
