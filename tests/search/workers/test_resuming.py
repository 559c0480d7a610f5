"""Paused trials are claimed again, with the same settings, and count once."""

from dataclasses import dataclass

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from search.stopping.pruning import Pause, as_record
from search.workers.claims import Claims, open_claims
from search.workers.worker_identity import WorkerIdentity
from spaces import ChainConfig
from studies import create_or_resume, load_study
from studies.records import (
    Attr,
    History,
    HistoryReader,
    Paused,
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

    def resumption(self, history: History, *, new_allowed: bool) -> Paused | None:
        self.asked.append(new_allowed)
        return next(iter(history.waiting), None)


class Never:
    """Finds no paused student worth its remaining epochs."""

    def resumption(self, history: History, *, new_allowed: bool) -> Paused | None:  # noqa: ARG002
        return None


@pytest.fixture
def study(storage: RDBStorage) -> optuna.Study:
    return create_or_resume(CONFIG, storage)


@pytest.fixture
def claims(study: optuna.Study, storage: RDBStorage) -> Claims:
    return open_claims(study, storage)


def claimed(claims: Claims, total: int) -> optuna.Trial:
    trial = claims.claim(total)
    assert trial is not None
    return trial


def begin(trial: optuna.Trial) -> ChainConfig:
    chain = CONFIG.search_space().suggest(trial)
    describe(trial, chain)
    add_epoch(trial, 0.5, 0.5)
    return chain


def pause(study: optuna.Study, claims: Claims, total: int) -> tuple[int, ChainConfig]:
    """Claim a trial and pause it; return its number and chain."""
    trial = claimed(claims, total)
    chain = begin(trial)
    prune(study, trial, (), as_record(Pause(Worth())))
    return trial.number, chain


def resumes(trial: optuna.Trial) -> int | None:
    number: int | None = trial.user_attrs.get(Attr.RESUMES)
    return number


def test_after_all_new_ones_the_paused_are_gone_on_with_and_count_no_more(
    study: optuna.Study, claims: Claims
) -> None:
    first, first_chain = pause(study, claims, 2)
    second, second_chain = pause(study, claims, 2)
    assert claims.ended() == 2
    for number, chain in ((first, first_chain), (second, second_chain)):
        trial = claimed(claims, 2)
        assert resumes(trial) == number
        assert trial.user_attrs[Attr.ORIGIN] == "sampled"
        assert begin(trial) == chain
        assert claims.ended() == 2
        study.tell(trial, state=TrialState.FAIL)
    assert claims.claim(2) is None
    assert claims.over
    assert claims.ended() == 2
    assert read_history(study).ended == 2


def test_a_trial_that_is_paused_twice_is_resumed_from_where_it_got_to(
    study: optuna.Study, claims: Claims
) -> None:
    first, chain = pause(study, claims, 1)
    second, again = pause(study, claims, 1)
    assert again == chain
    assert resumes(claimed(claims, 1)) == second != first


def test_the_scheduler_decides_between_a_paused_student_and_a_new_one(
    study: optuna.Study, storage: RDBStorage
) -> None:
    scheduler = Oldest()
    claims = open_claims(study, storage, HistoryReader(study), scheduler)
    number, _ = pause(study, claims, 3)
    assert scheduler.asked == []  # There was nothing to decide.
    assert resumes(claimed(claims, 3)) == number
    assert resumes(claimed(claims, 3)) is None
    assert resumes(claimed(claims, 3)) is None
    assert scheduler.asked == [True] * 3
    assert claims.claim(3) is None
    assert scheduler.asked[3:] == [False]


def test_it_is_not_over_while_something_runs_that_may_be_paused(
    study: optuna.Study, claims: Claims
) -> None:
    trial = claimed(claims, 1)
    assert claims.claim(1) is None
    assert not claims.over
    begin(trial)
    prune(study, trial, (), as_record(Pause(Worth())))
    resumed = claimed(claims, 1)
    assert claims.claim(1) is None
    assert not claims.over
    begin(resumed)
    prune(study, resumed, (), {"words": "cannot matter"})
    assert claims.claim(1) is None
    assert claims.over


def test_a_paused_student_that_nobody_wants_leaves_the_study_at_its_end(
    study: optuna.Study, storage: RDBStorage
) -> None:
    claims = open_claims(study, storage, scheduler=Never())
    pause(study, claims, 1)
    assert claims.claim(1) is None
    assert claims.over
    assert claimed(claims, 2).number == 1


@pytest.mark.parametrize("dies", [True, False])
def test_an_interrupted_resumption_is_gone_on_with_as_one(
    study: optuna.Study, claims: Claims, *, dies: bool
) -> None:
    number, chain = pause(study, claims, 1)
    trial = claimed(claims, 1)
    if dies:
        before = {**WorkerIdentity.of_this_process().as_dict(), "boot_id": "the boot before"}
        trial.set_user_attr(Attr.WORKER.value, before)
    else:
        claims.release(trial)
    again = claimed(claims, 1)
    assert (claims.goes_on_with(again), resumes(again)) == (trial.number, number)
    assert begin(again) == chain
    assert claims.claim(1) is None
    assert claims.ended() == 1


def test_a_resumption_that_waits_is_run_though_new_ones_before_it_may_not(
    study: optuna.Study, claims: Claims
) -> None:
    number, _ = pause(study, claims, 1)
    study.enqueue_trial({"network.width": 0.5})
    assert resumes(claimed(claims, 1)) == number
    assert claims.claim(1) is None
    states = [trial.state for trial in study.get_trials()]
    assert states == [TrialState.PRUNED, TrialState.WAITING, TrialState.RUNNING]


def test_a_stopped_student_is_not_resumed(study: optuna.Study, claims: Claims) -> None:
    trial = claimed(claims, 1)
    begin(trial)
    prune(study, trial, (), {"words": "cannot matter"})
    assert claims.claim(1) is None
    assert claims.over
