"""Paused trials are claimed again, with the same settings, and count once."""

from dataclasses import dataclass

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from search.stopping.pruning import Pause, as_record
from search.workers.claims import Ledger, open_ledger
from search.workers.worker_identity import WorkerIdentity
from spaces import ChainConfig, suggest
from studies import create_or_resume, load_study
from studies.records import (
    Attr,
    History,
    HistoryReader,
    Stopped,
    add_epoch,
    describe,
    prune,
    read_history,
)

CONFIG = load_study("kd_lora_q", ["sampler.name=random"])


@dataclass(frozen=True)
class Worth:
    words: str = "something else is worth more"


class Oldest:
    """Resumes whatever is paused before anything new; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[bool] = []

    def resumption(self, history: History, *, new_allowed: bool) -> Stopped | None:
        self.asked.append(new_allowed)
        return next(iter(history.paused), None)


class Never:
    """Finds no paused student worth its remaining epochs."""

    def resumption(self, history: History, *, new_allowed: bool) -> Stopped | None:  # noqa: ARG002
        return None


@pytest.fixture
def study(storage: RDBStorage) -> optuna.Study:
    return create_or_resume(CONFIG, storage)


@pytest.fixture
def ledger(study: optuna.Study, storage: RDBStorage) -> Ledger:
    return open_ledger(study, storage)


def claimed(ledger: Ledger, total: int) -> optuna.Trial:
    trial = ledger.claim(total)
    assert trial is not None
    return trial


def begin(trial: optuna.Trial) -> ChainConfig:
    chain = suggest(trial, CONFIG.search_space(), CONFIG.settled())
    describe(trial, chain)
    add_epoch(trial, 0.5, 0.5)
    return chain


def pause(study: optuna.Study, ledger: Ledger, total: int) -> tuple[int, ChainConfig]:
    """Claim a trial and pause it; return its number and chain."""
    trial = claimed(ledger, total)
    chain = begin(trial)
    prune(study, trial, (), as_record(Pause(Worth())))
    return trial.number, chain


def resumes(trial: optuna.Trial) -> int | None:
    number: int | None = trial.user_attrs.get(Attr.RESUMES)
    return number


def test_after_all_new_ones_the_paused_are_gone_on_with_and_count_no_more(
    study: optuna.Study, ledger: Ledger
) -> None:
    first, first_chain = pause(study, ledger, 2)
    second, second_chain = pause(study, ledger, 2)
    assert ledger.ended() == 2
    for number, chain in ((first, first_chain), (second, second_chain)):
        trial = claimed(ledger, 2)
        assert resumes(trial) == number
        assert trial.user_attrs[Attr.ORIGIN] == "sampled"
        assert begin(trial) == chain
        assert ledger.ended() == 2
        study.tell(trial, state=TrialState.FAIL)
    assert ledger.claim(2) is None
    assert ledger.over
    assert ledger.ended() == 2
    assert read_history(study).ended == 2


def test_a_trial_that_is_paused_twice_is_resumed_from_where_it_got_to(
    study: optuna.Study, ledger: Ledger
) -> None:
    first, chain = pause(study, ledger, 1)
    second, again = pause(study, ledger, 1)
    assert again == chain
    assert resumes(claimed(ledger, 1)) == second != first


def test_the_scheduler_decides_between_a_paused_student_and_a_new_one(
    study: optuna.Study, storage: RDBStorage
) -> None:
    scheduler = Oldest()
    ledger = open_ledger(study, storage, HistoryReader(study), scheduler)
    number, _ = pause(study, ledger, 3)
    assert scheduler.asked == []  # There was nothing to decide.
    assert resumes(claimed(ledger, 3)) == number
    assert resumes(claimed(ledger, 3)) is None
    assert resumes(claimed(ledger, 3)) is None
    assert scheduler.asked == [True] * 3
    assert ledger.claim(3) is None
    assert scheduler.asked[3:] == [False]


def test_it_is_not_over_while_something_runs_that_may_be_paused(
    study: optuna.Study, ledger: Ledger
) -> None:
    trial = claimed(ledger, 1)
    assert ledger.claim(1) is None
    assert not ledger.over
    begin(trial)
    prune(study, trial, (), as_record(Pause(Worth())))
    resumed = claimed(ledger, 1)
    assert ledger.claim(1) is None
    assert not ledger.over
    begin(resumed)
    prune(study, resumed, (), {"words": "cannot matter"})
    assert ledger.claim(1) is None
    assert ledger.over


def test_a_paused_student_that_nobody_wants_leaves_the_study_at_its_end(
    study: optuna.Study, storage: RDBStorage
) -> None:
    ledger = open_ledger(study, storage, scheduler=Never())
    pause(study, ledger, 1)
    assert ledger.claim(1) is None
    assert ledger.over
    assert claimed(ledger, 2).number == 1


@pytest.mark.parametrize("dies", [True, False])
def test_an_interrupted_resumption_is_gone_on_with_as_one(
    study: optuna.Study, ledger: Ledger, *, dies: bool
) -> None:
    number, chain = pause(study, ledger, 1)
    trial = claimed(ledger, 1)
    if dies:
        before = {**WorkerIdentity.of_this_process().as_dict(), "boot_id": "the boot before"}
        trial.set_user_attr(Attr.WORKER.value, before)
    else:
        ledger.release(trial)
    again = claimed(ledger, 1)
    assert (ledger.goes_on_with(again), resumes(again)) == (trial.number, number)
    assert begin(again) == chain
    assert ledger.claim(1) is None
    assert ledger.ended() == 1


def test_a_resumption_that_waits_is_run_though_new_ones_before_it_may_not(
    study: optuna.Study, ledger: Ledger
) -> None:
    number, _ = pause(study, ledger, 1)
    study.enqueue_trial({"width": 0.5})
    assert resumes(claimed(ledger, 1)) == number
    assert ledger.claim(1) is None
    states = [trial.state for trial in study.get_trials()]
    assert states == [TrialState.PRUNED, TrialState.WAITING, TrialState.RUNNING]


def test_a_stopped_student_is_not_resumed(study: optuna.Study, ledger: Ledger) -> None:
    trial = claimed(ledger, 1)
    begin(trial)
    prune(study, trial, (), {"words": "cannot matter"})
    assert ledger.claim(1) is None
    assert ledger.over
