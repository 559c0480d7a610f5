"""A trial that kills whoever runs it fails in the end; one that gets further does not."""

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from search.workers.claims import DEATHS, Claims, open_claims
from search.workers.worker_identity import WorkerIdentity
from studies import create_or_resume, load_study
from studies.records import Attr, add_epoch, read_history

CONFIG = load_study("kd_lora_q", ["sampler.name=random"])


@pytest.fixture
def study(storage: RDBStorage) -> optuna.Study:
    return create_or_resume(CONFIG, storage)


@pytest.fixture
def claims(study: optuna.Study, storage: RDBStorage) -> Claims:
    return open_claims(study, storage)


def attempt(
    claims: Claims, epochs: int, *, dies: bool = True, with_command: bool = False
) -> optuna.Trial:
    """Claim the one trial there is, report `epochs`, and die or be asked to stop."""
    trial = claims.claim(1)
    assert trial is not None
    trial.suggest_float("network.width", 0, 1)
    for epoch in range(epochs):
        add_epoch(trial, (epoch + 1) / 10, 0.5)
    if dies:
        before = {**WorkerIdentity.of_this_process().as_dict(), "boot_id": "the boot before"}
        trial.set_user_attr(Attr.WORKER.value, before)
        if with_command:
            trial.set_user_attr(Attr.COMMAND.value, before)
    else:
        claims.release(trial)
    return trial


@pytest.mark.parametrize("epochs", [(0, 0, 0), (2, 2, 2), (2, 0, 1)])
def test_a_trial_that_gets_no_further_fails_after_some_deaths(
    study: optuna.Study, claims: Claims, epochs: tuple[int, ...]
) -> None:
    assert len(epochs) == DEATHS
    last = [attempt(claims, count) for count in epochs][-1]
    assert claims.claim(1) is None
    assert claims.ended() == 1
    trials = study.get_trials()
    assert [trial.state for trial in trials] == [TrialState.FAIL] * DEATHS
    kinds = [failed.kind for failed in read_history(study).failed]
    assert kinds == ["interrupted"] * (DEATHS - 1) + ["error"]
    assert "3 workers died of it" in trials[last.number].user_attrs[Attr.FAILURE]["reason"]
    following = claims.claim(2)
    assert following is not None
    assert claims.goes_on_with(following) is None


def test_a_trial_that_gets_further_is_gone_on_with(claims: Claims) -> None:
    for count in (0, 0, 1, 1, 2, 2, 3, 3):
        attempt(claims, count)
    assert claims.claim(1) is not None


def test_whoever_was_asked_to_stop_has_not_died(claims: Claims) -> None:
    for dies in (True, False, False, False, True, False):
        attempt(claims, 1, dies=dies)
    attempt(claims, 1)
    assert claims.claim(1) is None
    assert claims.ended() == 1


def test_whoever_went_with_the_command_has_not_died_of_the_trial(
    study: optuna.Study, claims: Claims
) -> None:
    for with_command in (True, True, False, True, True, True, False, True):
        attempt(claims, 0, with_command=with_command)
    assert claims.claim(1) is not None
    reasons = [failed.reason for failed in read_history(study).failed]
    assert reasons[0] == "its worker is gone, and the command that started it"
    assert reasons[2] == "its worker is gone"


def test_a_death_while_a_trial_is_given_up_changes_nothing(
    study: optuna.Study, storage: RDBStorage, claims: Claims
) -> None:
    last = [attempt(claims, 0) for _ in range(DEATHS)][-1]
    last.set_user_attr(Attr.FAILURE.value, {"kind": "error", "reason": "written, and then dead"})
    assert open_claims(study, storage).claim(1) is None
    assert study.get_trials()[last.number].state == TrialState.FAIL
    assert claims.ended() == 1
