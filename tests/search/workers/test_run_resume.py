"""The command, killed and interrupted for real at every stage, and run again at once."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.trial import TrialState

from search.workers.events import EpochEnded
from studies.records import Attr
from tests.search.searching import (
    TRIALS,
    Command,
    Searched,
    assert_whole,
    curve,
    sampled,
    search_here,
    study_in,
    trials_in,
    wait_for_death,
)

Happens = Callable[[Path], bool]


def _running_at(*epochs: int) -> Happens:
    return lambda runs: any(
        trial.state == TrialState.RUNNING and len(curve(trial)) in epochs
        for trial in trials_in(runs)
    )


def _teacher_has_an_epoch(runs: Path) -> bool:
    return any((runs / "cache" / "stages" / "partial").glob("*/epoch-000001"))


def _costs_are_there(runs: Path) -> bool:
    return any((runs / "cache" / "stages" / "entries").glob("*"))


def _offers_are_made(runs: Path) -> bool:
    trials = trials_in(runs)
    return any(
        trial.user_attrs.get(Attr.ORIGIN) == "offered"
        and trials[trial.user_attrs[Attr.OFFERED_BY]].state == TrialState.RUNNING
        for trial in trials
    )


def _front_is_scored(runs: Path) -> bool:
    trials = trials_in(runs)
    return len([t for t in sampled(trials) if t.state.is_finished()]) == TRIALS


STAGES: dict[str, tuple[Happens, str]] = {
    "teacher": (_teacher_has_an_epoch, "teacher: goes on after teacher epoch 1/2, reused"),
    "costs": (_costs_are_there, ""),
    "distill": (_running_at(1), "goes on after distill epoch 1/2, reused"),
    # A stage's last epoch is kept as its result, a moment after it is reported.
    "adapt": (_running_at(2), "reused"),
    "evaluate": (_running_at(3), "reused"),
    # The trial may end in the moment between the look and the kill.
    "offers": (_offers_are_made, ""),
    "score": (_front_is_scored, ""),
}
"""By stage: when it is reached, and what the command that goes on from there says."""


@pytest.fixture
def fresh(searched: Searched, tmp_path: Path) -> Path:
    """A folder in which nothing was searched, with the float graphs exported."""
    return searched.prepare(tmp_path / "runs", teacher=False)


def _ended(runs: Path) -> dict[int, str]:
    return {
        trial.number: str((trial.state, trial.values, trial.params, trial.datetime_complete))
        for trial in trials_in(runs)
        if trial.state.is_finished()
    }


def _kill_at(stage: str, searched: Searched, runs: Path, *options: str) -> None:
    """Kill the whole command at `stage`, run it again at once, and see what it says and leaves."""
    happens, says = STAGES[stage]
    first = Command(searched.file, runs, *options)
    first.waits_until(lambda: happens(runs))
    left = first.kill()
    went_further = not happens(runs)  # On a busy machine, between the look and the kill.
    second = Command(searched.file, runs, *options)
    before = _ended(runs)
    wait_for_death(left)
    assert second.ends() == 0, second.output
    assert ("reused" if says and went_further else says) in second.output
    assert before.items() <= _ended(runs).items()
    assert_whole(runs)


def test_killed_in_distill_and_run_again_at_once_it_goes_on_from_the_last_epoch(
    searched: Searched, tmp_path: Path
) -> None:
    runs = searched.prepare(tmp_path / "runs", teacher=True)
    _kill_at("distill", searched, runs, "--costs", str(searched.costs))


@pytest.mark.long
@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "distill"])
def test_killed_at_any_stage_and_run_again_at_once_it_goes_on(
    stage: str, searched: Searched, fresh: Path
) -> None:
    _kill_at(stage, searched, fresh)


@pytest.mark.long
def test_a_trial_killed_in_every_stage_is_one_trial(searched: Searched, fresh: Path) -> None:
    for stage in ("teacher", "distill", "adapt", "evaluate", "offers"):
        command = Command(searched.file, fresh)
        command.waits_until(lambda stage=stage: STAGES[stage][0](fresh))
        command.kill()
    last = Command(searched.file, fresh)
    assert last.ends() == 0, last.output
    assert_whole(fresh)
    assert {trial.state for trial in sampled(trials_in(fresh))} <= {
        TrialState.COMPLETE,
        TrialState.PRUNED,
    }


@pytest.mark.long
@pytest.mark.parametrize("stage", ["distill", "adapt", "evaluate", "offers"])
def test_when_a_worker_alone_is_killed_the_command_goes_on_by_itself(
    stage: str, searched: Searched, fresh: Path
) -> None:
    happens, says = STAGES[stage]
    command = Command(searched.file, fresh)
    command.waits_until(lambda: happens(fresh))
    (worker,) = command.workers()
    os.kill(worker, signal.SIGKILL)
    assert command.ends() == 0, command.output
    assert "was killed by SIGKILL (out of memory?); another takes its place" in command.output
    assert says in command.output
    assert_whole(fresh)


@pytest.mark.long
def test_a_worker_killed_before_any_trial_is_replaced(searched: Searched, fresh: Path) -> None:
    command = Command(searched.file, fresh)
    command.waits_until(lambda: _teacher_has_an_epoch(fresh))
    (worker,) = command.workers()
    os.kill(worker, signal.SIGKILL)
    assert command.ends() == 0, command.output
    assert "worker 0 was killed by SIGKILL (out of memory?); another takes its place" in (
        command.output
    )
    assert "teacher: goes on after teacher epoch 1/2, reused" in command.output
    assert_whole(fresh)


@pytest.mark.long
def test_a_trial_that_kills_every_worker_fails_and_the_study_goes_on(
    searched: Searched, fresh: Path
) -> None:
    command = Command(searched.file, fresh, "--trials", "2")
    for attempts in (1, 2, 3):
        command.waits_until(
            lambda attempts=attempts: sum(bool(curve(t)) for t in trials_in(fresh)) == attempts
        )
        (worker,) = command.workers()
        os.kill(worker, signal.SIGKILL)
    assert command.ends() == 0, command.output
    assert_whole(fresh, total=2)
    first, second = sampled(trials_in(fresh))
    assert first.state == TrialState.FAIL
    assert first.user_attrs[Attr.FAILURE]["kind"] == "error"
    assert "3 workers died of it" in first.user_attrs[Attr.FAILURE]["reason"]
    assert second.state == TrialState.COMPLETE


def test_ctrl_c_stops_after_the_epoch_and_says_how_to_go_on(
    searched: Searched, tmp_path: Path
) -> None:
    runs = searched.prepare(tmp_path / "runs", teacher=True)
    # So many that the trial is not over before the signal comes, however busy the machine is.
    epochs = 20
    longer = f"space.distill.epochs={epochs}"
    command = Command(searched.file, runs, "--costs", str(searched.costs), "--set", longer)
    command.waits_until(lambda: _running_at(*range(1, epochs // 2))(runs))
    command.process.send_signal(signal.SIGINT)
    assert command.ends() == 130, command.output
    assert "stopping after the current epoch" in command.output
    assert "the same command goes on where this stopped" in command.output
    (released,) = [trial for trial in trials_in(runs) if Attr.CURVE in trial.user_attrs]
    assert 1 <= len(curve(released)) < epochs
    assert released.user_attrs[Attr.FAILURE]["reason"] == "its worker was asked to stop"
    events = search_here(searched.file, runs, longer)
    assert [event.trial for event in events if isinstance(event, EpochEnded) and event.reused]
    assert_whole(runs)


@pytest.mark.long
def test_ctrl_c_twice_stops_at_once(searched: Searched, fresh: Path) -> None:
    command = Command(searched.file, fresh)
    command.waits_until(lambda: "exporting" in command.output or _costs_are_there(fresh))
    command.process.send_signal(signal.SIGINT)
    command.waits_until(lambda: "Ctrl-C again stops at once" in command.output)
    begun = time.monotonic()
    command.process.send_signal(signal.SIGINT)
    assert command.ends() == 130, command.output
    assert time.monotonic() - begun < 15
    assert "the same command goes on where this stopped" in command.output
    search_here(searched.file, fresh)
    assert_whole(fresh)


@pytest.mark.long
def test_a_timeout_stops_it_and_the_same_command_goes_on(searched: Searched, fresh: Path) -> None:
    begun = time.monotonic()
    options = ("--sampler", "random", "--trials", "500", "--timeout", "60s")
    command = Command(searched.file, fresh, *options)
    assert command.ends() == 0, command.output
    assert 55 < time.monotonic() - begun < 120
    assert "of 500 trials ended; the same command goes on" in command.output
    total = len([trial for trial in sampled(trials_in(fresh)) if trial.state.is_finished()]) + 1
    again = Command(searched.file, fresh, "--sampler", "random", "--trials", str(total))
    assert again.ends() == 0, again.output
    assert len([t for t in sampled(trials_in(fresh)) if t.state.is_finished()]) == total


def test_a_finished_study_trains_nothing_shows_its_front_and_says_how_to_have_more(
    searched: Searched,
) -> None:
    assert_whole(searched.runs)
    before, entries = _ended(searched.runs), _entries(searched.runs)
    again = Command(searched.file, searched.runs)
    assert again.ends() == 0, again.output
    assert "Front of tiny against its teacher" in again.output
    assert "All 4 trials have ended; for more: --trials 14" in again.output
    assert "worker" not in again.output
    assert (before, entries) == (_ended(searched.runs), _entries(searched.runs))


@pytest.mark.long
def test_asking_for_more_goes_on(searched: Searched, fresh: Path) -> None:
    for total in ("2", "3"):
        command = Command(searched.file, fresh, "--trials", total, "--costs", str(searched.costs))
        assert command.ends() == 0, command.output
        assert_whole(fresh, int(total))


@pytest.mark.long
def test_two_workers_run_each_trial_once(searched: Searched, fresh: Path) -> None:
    command = Command(searched.file, fresh, "--workers", "2", "--trials", "8")
    assert command.ends() == 0, command.output
    assert_whole(fresh, 8)
    assert command.output.count(" begins") == 8
    ran_by = {trial.user_attrs[Attr.WORKER]["pid"] for trial in sampled(trials_in(fresh))}
    assert len(ran_by) == 2
    assert len(study_in(fresh).user_attrs["test_scores"]) == 1


def _entries(runs: Path) -> set[str]:
    return {entry.name for entry in (runs / "cache" / "stages" / "entries").iterdir()}
