import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from search.workers.claims import Claims, open_claims
from search.workers.heartbeat import STALE_S
from studies import create_or_resume, load_study
from studies.records import (
    Attr,
    History,
    LostTrialError,
    Paused,
    add_epoch,
    describe,
    enqueue_baseline,
    prune,
    read_history,
)

ROOT = Path(__file__).parents[3]
CONFIG = load_study("kd_lora_q", ["sampler.name=random"])
ANY = 100


@pytest.fixture
def study(storage: RDBStorage) -> optuna.Study:
    return create_or_resume(CONFIG, storage)


@pytest.fixture
def claims(study: optuna.Study, storage: RDBStorage) -> Claims:
    return open_claims(study, storage)


class Workers:
    """Processes on one storage; whatever is left of them is killed in the end."""

    def __init__(self, target: str) -> None:
        self._target = target
        self.all: list[subprocess.Popen[str]] = []

    def start(self, total: int, mode: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.search.claiming_process", self._target, str(total), mode],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.all.append(process)
        return process


@pytest.fixture
def workers(target: str) -> Iterator[Workers]:
    started = Workers(target)
    yield started
    for process in started.all:
        process.kill()
        process.communicate()


def lines(process: "subprocess.Popen[str]") -> list[tuple[int, float]]:
    """Return (trial, width) of everything a worker that ended well has claimed."""
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "Error" not in errors
    claimed = [line.split() for line in out.splitlines() if line != "ready"]
    return [(int(number), float(width)) for number, width in claimed]


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def retries(study: optuna.Study) -> dict[int, int]:
    """Return who goes on with whom: the retry's number by the interrupted trial's."""
    found = {t.number: t.user_attrs.get(Attr.RETRY_OF) for t in study.get_trials(deepcopy=False)}
    by_dead = [dead for dead in found.values() if dead is not None]
    assert len(by_dead) == len(set(by_dead)), "a trial has two retries"
    return {dead: number for number, dead in found.items() if dead is not None}


def make_over(study: optuna.Study, storage: RDBStorage, number: int, **changed: object) -> None:
    """Sign a running trial as if another worker ran it."""
    study_id = storage.get_study_id_from_name(study.study_name)
    trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, number)
    worker = study.get_trials()[number].user_attrs[Attr.WORKER]
    storage.set_trial_user_attr(trial_id, Attr.WORKER.value, {**worker, **changed})


def test_six_processes_run_each_enqueued_trial_once(study: optuna.Study, workers: Workers) -> None:
    enqueued = [float(width) for width in range(30)]
    for width in enqueued:
        study.enqueue_trial({"network.width": width})
    started = [workers.start(36, "idle") for _ in range(6)]
    for process in started:
        assert line(process) == "ready"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    claimed = [claim for process in started for claim in lines(process)]
    ran = Counter(width for _, width in claimed)
    assert [ran[width] for width in enqueued] == [1] * 30
    assert sorted(number for number, _ in claimed) == list(range(36))
    assert read_states(study) == {TrialState.PRUNED: 36}


def read_states(study: optuna.Study) -> dict[TrialState, int]:
    return dict(Counter(trial.state for trial in study.get_trials(deepcopy=False)))


def test_a_killed_workers_trial_goes_on_once_though_several_look(
    study: optuna.Study, workers: Workers
) -> None:
    victim = workers.start(1, "hold")
    number, width = line(victim).split()
    racers = [workers.start(1, "idle") for _ in range(3)]
    for process in racers:
        assert line(process) == "ready"
    os.kill(victim.pid, signal.SIGKILL)  # And not waited for: a zombie is dead.
    for process in racers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    claimed = [claim for process in racers for claim in lines(process)]
    assert claimed == [(int(number) + 1, float(width))]
    assert retries(study) == {int(number): int(number) + 1}
    assert read_states(study) == {TrialState.FAIL: 1, TrialState.PRUNED: 1}
    failure = study.get_trials()[int(number)].user_attrs[Attr.FAILURE]
    assert failure == {"kind": "interrupted", "reason": "its worker is gone"}


def test_a_retry_that_is_killed_too_goes_on_with_the_same_settings(
    study: optuna.Study, workers: Workers, claims: Claims
) -> None:
    widths = []
    for _ in range(2):
        victim = workers.start(1, "hold")
        widths.append(line(victim).split()[1])
        victim.kill()
        victim.wait()
    last = claims.claim(1)
    assert last is not None
    assert [*widths, str(last.params["network.width"])] == [widths[0]] * 3
    assert claims.goes_on_with(last) == 1
    assert retries(study) == {0: 1, 1: 2}


def test_the_living_keep_their_trials(
    study: optuna.Study, workers: Workers, claims: Claims
) -> None:
    line(workers.start(2, "hold"))
    mine = claims.claim(2)
    assert mine is not None
    assert (mine.number, claims.goes_on_with(mine)) == (1, None)
    assert claims.claim(2) is None
    assert read_states(study) == {TrialState.RUNNING: 2}


def test_a_death_before_signing_loses_nothing(study: optuna.Study, claims: Claims) -> None:
    study.enqueue_trial({"network.width": 0.5}, user_attrs={Attr.BASELINE.value: "student alone"})
    study.ask()  # And dead.
    trial = claims.claim(1)
    assert trial is not None
    assert (trial.number, claims.goes_on_with(trial)) == (1, 0)
    assert trial.suggest_float("network.width", 0, 1) == 0.5
    assert trial.user_attrs[Attr.BASELINE] == "student alone"


def test_what_was_enqueued_late_waits_until_the_search_had_its_trials(
    study: optuna.Study, claims: Claims
) -> None:
    enqueue_baseline(study, "late", {"network.width": 0.5}, late=True)
    enqueue_baseline(study, "first", {"network.width": 0.25})
    claimed = [claims.claim(4) for _ in range(5)]
    assert [trial and trial.user_attrs.get(Attr.BASELINE) for trial in claimed] == [
        "first", None, None, "late", None,
    ]  # fmt: skip
    assert claimed[3] is not None
    assert claimed[3].suggest_float("network.width", 0, 1) == 0.5


def test_a_search_that_has_enough_begins_nothing_but_its_late_baselines(
    study: optuna.Study, storage: RDBStorage
) -> None:
    enqueue_baseline(study, "late", {"network.width": 0.5}, late=True)
    claims = open_claims(study, storage, enough=lambda _: True)
    claimed = claims.claim(ANY)
    assert claimed is not None
    assert claimed.user_attrs[Attr.BASELINE] == "late"
    assert claims.claim(ANY) is None


def test_nobody_claims_before_the_last_who_did_has_settings(
    study: optuna.Study, storage: RDBStorage, claims: Claims
) -> None:
    there: list[list[bool]] = []

    def look(_: optuna.Trial) -> None:
        trials = study.get_trials(deepcopy=False)
        there.append([Attr.CHAIN in each.user_attrs for each in trials])

    other = threading.Thread(target=lambda: open_claims(study, storage).claim(ANY, look))

    def draw(trial: optuna.Trial) -> None:
        other.start()
        time.sleep(0.5)  # It has begun to wait.
        trial.set_user_attr(Attr.CHAIN.value, {})

    assert claims.claim(ANY, draw) is not None
    other.join(timeout=60)
    assert there == [[True, False]]


def test_a_late_baseline_whose_worker_died_is_gone_on_with_at_once(
    study: optuna.Study, storage: RDBStorage, claims: Claims
) -> None:
    enqueue_baseline(study, "late", {"network.width": 0.5}, late=True)
    assert claims.claim(1) is not None
    make_over(study, storage, 0, boot_id="the boot before")
    trial = claims.claim(ANY)
    assert trial is not None
    assert (claims.goes_on_with(trial), trial.user_attrs[Attr.BASELINE]) == (0, "late")


class _AtOnce:
    """Goes on with whatever was paused, before anything new."""

    def resumption(self, history: History, *, new_allowed: bool) -> Paused | None:  # noqa: ARG002
        return next(iter(history.waiting), None)


def test_a_late_baseline_does_not_begin_in_place_of_a_paused_student(
    study: optuna.Study, storage: RDBStorage
) -> None:
    enqueue_baseline(study, "late", {"network.width": 0.5}, late=True)
    claims = open_claims(study, storage, scheduler=_AtOnce())
    first = claims.claim(ANY)
    assert first is not None
    chain = CONFIG.search_space().suggest(first)
    describe(first, chain)
    prune(study, first, (), {"words": "", "paused": True})
    again = claims.claim(ANY)
    assert again is not None
    assert claims.goes_on_with(again) == first.number
    assert Attr.BASELINE not in again.user_attrs


def test_a_death_between_enqueueing_a_retry_and_ending_the_dead_makes_no_second_one(
    study: optuna.Study, claims: Claims
) -> None:
    study.ask()  # And dead; whoever saw it enqueued its retry, and died as well.
    study.add_trial(
        optuna.create_trial(state=TrialState.WAITING, user_attrs={Attr.RETRY_OF.value: 0})
    )
    trial = claims.claim(ANY)
    assert trial is not None
    assert trial.number == 1
    assert retries(study) == {0: 1}
    assert read_states(study) == {TrialState.FAIL: 1, TrialState.RUNNING: 1}


def test_settings_asked_for_before_the_death_are_kept_and_the_rest_is_drawn(
    study: optuna.Study, claims: Claims
) -> None:
    dead = study.ask()
    width = CONFIG.search_space().domains["network.width"].suggest(dead, "network.width")
    trial = claims.claim(ANY)
    assert trial is not None
    assert trial.params == {"network.width": width}
    chain = CONFIG.search_space().suggest(trial)
    assert chain.student.network.width == width


def test_a_machine_that_was_switched_off_has_no_living_workers(
    study: optuna.Study, storage: RDBStorage, claims: Claims
) -> None:
    assert claims.claim(1) is not None
    make_over(study, storage, 0, boot_id="the boot before")
    trial = claims.claim(1)
    assert trial is not None
    assert claims.goes_on_with(trial) == 0


def test_a_pid_that_another_process_has_now_is_not_the_worker(
    study: optuna.Study, storage: RDBStorage, claims: Claims
) -> None:
    assert claims.claim(1) is not None
    make_over(study, storage, 0, started=1.0)
    assert claims.claim(1) is not None


@pytest.mark.parametrize("elsewhere", [{"host": "another"}, {"namespace": "another"}])
def test_a_worker_elsewhere_is_dead_when_it_was_silent_for_long(
    study: optuna.Study, storage: RDBStorage, claims: Claims, elsewhere: dict[str, str]
) -> None:
    theirs = claims.claim(1)
    assert theirs is not None
    make_over(study, storage, 0, **elsewhere)
    assert claims.claim(1) is None
    theirs.set_user_attr(Attr.BEAT.value, time.time() - STALE_S - 1)
    trial = claims.claim(1)
    assert trial is not None
    assert claims.goes_on_with(trial) == 0


def test_a_worker_wrongly_taken_for_dead_is_told_and_goes_on(
    study: optuna.Study, storage: RDBStorage, claims: Claims
) -> None:
    mine = claims.claim(1)
    assert mine is not None
    chain = CONFIG.search_space().suggest(mine)
    describe(mine, chain)
    make_over(study, storage, 0, boot_id="the boot before")
    theirs = open_claims(study, storage).claim(1)
    assert theirs is not None
    with pytest.raises(LostTrialError):
        add_epoch(mine, 0.5, 0.5)
    claims.release(mine)
    assert claims.claim(1) is None
    assert retries(study) == {0: 1}
    assert CONFIG.search_space().suggest(theirs) == chain


def test_a_retry_of_a_trial_that_ended_after_all_is_not_run(
    study: optuna.Study, claims: Claims
) -> None:
    first = claims.claim(2)
    assert first is not None
    describe(first, CONFIG.search_space().suggest(first))
    # Somebody took it for dead, enqueued the retry and died; then it ended.
    study.add_trial(
        optuna.create_trial(
            state=TrialState.WAITING, user_attrs={Attr.RETRY_OF.value: first.number}
        )
    )
    prune(study, first, (), {"words": "cannot matter"})
    second = claims.claim(2)
    assert second is not None
    assert second.number == 2
    assert claims.goes_on_with(second) is None
    assert claims.ended() == 1


def test_a_released_trial_is_the_next_to_be_claimed(study: optuna.Study, claims: Claims) -> None:
    trial = claims.claim(1)
    assert trial is not None
    chain = CONFIG.search_space().suggest(trial)
    claims.release(trial)
    assert claims.ended() == 0
    again = claims.claim(1)
    assert again is not None
    assert claims.goes_on_with(again) == trial.number
    assert CONFIG.search_space().suggest(again) == chain
    assert [failed.kind for failed in read_history(study).failed] == ["interrupted"]


def test_who_has_enough_begins_nothing_but_ends_what_was_begun_or_enqueued(
    study: optuna.Study, storage: RDBStorage
) -> None:
    seen: list[int] = []
    claims = open_claims(
        study, storage, enough=lambda history: bool(seen.append(history.ended)) or True
    )
    study.enqueue_trial({"network.width": 0.5})
    first = claims.claim(ANY)
    assert first is not None
    assert claims.claim(ANY) is None
    assert not claims.over  # What runs may change it.
    claims.release(first)
    again = claims.claim(ANY)
    assert again is not None
    assert claims.goes_on_with(again) == first.number
    chain = CONFIG.search_space().suggest(again)
    describe(again, chain)
    prune(study, again, (), {"words": "", "paused": True})
    assert claims.claim(ANY) is None
    assert claims.over
    assert seen == [0, 1]
    assert open_claims(study, storage).claim(ANY) is not None


def test_an_offer_that_comes_between_is_not_taken_for_the_trial_that_was_begun(
    study: optuna.Study, claims: Claims, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = study.add_trial

    def add_and_offer(trial: FrozenTrial) -> None:
        add(trial)
        add(optuna.create_trial(values=[1, 1, 1], user_attrs={Attr.ORIGIN.value: "offered"}))

    monkeypatch.setattr(study, "add_trial", add_and_offer)
    trial = claims.claim(ANY)
    assert trial is not None
    CONFIG.search_space().suggest(trial)
    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    assert states == [TrialState.RUNNING, TrialState.COMPLETE]


def test_only_sampled_trials_count_and_never_too_many(study: optuna.Study, claims: Claims) -> None:
    for origin in ("offered", "baseline"):
        study.add_trial(
            optuna.create_trial(values=[1, 1, 1], user_attrs={Attr.ORIGIN.value: origin})
        )
    study.enqueue_trial({"network.width": 0.5})
    study.enqueue_trial({"network.width": 0.75})
    claimed = [claims.claim(3) for _ in range(3)]
    assert all(claimed)
    assert claims.claim(3) is None
    assert claims.ended() == 0
    for trial, state in zip(claimed, (TrialState.FAIL, TrialState.PRUNED), strict=False):
        assert trial is not None
        study.tell(trial, state=state)
    assert claims.claim(3) is None
    assert claims.ended() == 2
    assert claims.claim(4) is not None
    assert claims.claim(4) is None
