"""Who runs which trial: claims for the living, and the trials of the dead for others to go on with.

Everything here happens under the study's lock, one process at a time. So whatever a claim or a
reclaim left half done belongs to a process that died in it, and the next to look finishes it:

- a running trial without a worker was asked for by one that died before it could sign;
- a dead trial's retry is enqueued first and the dead one told FAIL after, so that a death between
  the two leaves a retry that is found again, never none and never two.

A trial that kills whoever runs it (out of memory, say) would go from hand to hand for ever: after
DEATHS deaths without an epoch gained it has failed.
"""

import threading
import time
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from search.worker_identity import WorkerIdentity
from studies import study_lock
from studies.records import Attr, FailureKind

BEAT_S = 30.0
"""How often a worker says that it is alive."""
STALE_S = 180.0
"""A worker elsewhere that has not said so for this long is dead; clocks may differ by less."""
DEATHS = 3
"""Workers that may die of one trial at one place before the trial has failed."""

_GONE = "its worker is gone"


class Ledger:
    """The claims of one worker process on one study."""

    def __init__(self, study: optuna.Study, storage: RDBStorage) -> None:
        self._study = study
        self._storage = storage
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._lock = study_lock(storage, study.study_name)
        self._here = WorkerIdentity.of_this_process()
        self._heart = _Heart()

    def claim(self, total: int) -> optuna.Trial | None:
        """Return a trial for this process to run, None when `total` have ended or are run.

        Trials of dead workers come first, then enqueued ones, then new ones. Only sampled trials
        count: those that ended for good, and those that somebody runs.
        """
        with self._lock():
            trials = self._settled()
            running = sum(trial.state == TrialState.RUNNING for trial in trials)
            if _ended(trials) + running >= total:
                return None
            trial = self._study.ask()
            self._set(trial.number, Attr.ORIGIN, "sampled")
            self._set(trial.number, Attr.BEAT, time.time())
            self._set(trial.number, Attr.WORKER, self._here.as_dict())
        self._heart.beat_for(trial)
        return trial

    def release(self, trial: optuna.Trial) -> None:
        """Give back a trial that this process will not end, for anyone to go on with."""
        self._heart.rest()
        with self._lock():
            trials = self._study.get_trials(deepcopy=False)
            if trials[trial.number].state == TrialState.RUNNING:  # Nobody has ended it meanwhile.
                self._hand_on(trials[trial.number], trials, "its worker was asked to stop")

    def ended(self) -> int:
        """Return how many sampled trials have ended for good."""
        return _ended(self._study.get_trials(deepcopy=False))

    def retry_of(self, trial: optuna.Trial) -> int | None:
        """Return the number of the interrupted trial that `trial` goes on with."""
        number: int | None = trial.user_attrs.get(Attr.RETRY_OF)
        return number

    def _settled(self) -> list[FrozenTrial]:
        """Return all trials, after those of dead workers were handed on."""
        trials = self._study.get_trials(deepcopy=False)
        gone = [t for t in trials if t.state == TrialState.RUNNING and self._is_gone(t)]
        for trial in gone:
            self._hand_on(trial, trials, _GONE)
        trials = self._study.get_trials(deepcopy=False) if gone else trials
        needless = [t for t in trials if t.state == TrialState.WAITING and _is_needless(t, trials)]
        for trial in needless:
            self._fail(trial, "the trial that it goes on with has ended after all")
        return self._study.get_trials(deepcopy=False) if needless else trials

    def _is_gone(self, trial: FrozenTrial) -> bool:
        worker = trial.user_attrs.get(Attr.WORKER)
        if worker is None:
            return True
        gone = WorkerIdentity.from_dict(worker).is_gone_from(self._here)
        if gone is not None:
            return gone
        return bool(time.time() - trial.user_attrs.get(Attr.BEAT, 0.0) > STALE_S)

    def _hand_on(self, trial: FrozenTrial, trials: Sequence[FrozenTrial], reason: str) -> None:
        """Enqueue what `trial` was, unless that was done, and end it as interrupted."""
        if reason == _GONE and _deaths(trial, trials) >= DEATHS:
            self._fail(
                trial,
                f"{DEATHS} workers died of it, each without getting any further: out of memory, or "
                "killed from outside",
                kind="error",
            )
            return
        if not any(other.user_attrs.get(Attr.RETRY_OF) == trial.number for other in trials):
            self._study.add_trial(_retry(trial))
        self._fail(trial, reason)

    def _fail(self, trial: FrozenTrial, reason: str, kind: FailureKind = "interrupted") -> None:
        failure = {"kind": kind, "reason": reason}
        try:
            self._set(trial.number, Attr.FAILURE, failure)
            self._storage.set_trial_state_values(self._id(trial.number), TrialState.FAIL)
        except UpdateFinishedTrialError:
            return  # It lives elsewhere and has ended; its retry is needless at the next look.

    def _set(self, number: int, name: Attr, value: Any) -> None:
        self._storage.set_trial_user_attr(self._id(number), name.value, value)

    def _id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)


class _Heart:
    """Says every BEAT_S, in a thread of its own, that the worker of a trial is alive."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def beat_for(self, trial: optuna.Trial) -> None:
        """Beat for `trial` until it ends, another takes its place, or the process ends."""
        self.rest()
        self._stop = threading.Event()
        threading.Thread(target=self._beat, args=(trial, self._stop), daemon=True).start()

    def rest(self) -> None:
        """Beat no more."""
        self._stop.set()

    @staticmethod
    def _beat(trial: optuna.Trial, stop: threading.Event) -> None:
        while not stop.wait(BEAT_S):
            try:
                trial.set_user_attr(Attr.BEAT.value, time.time())
            except UpdateFinishedTrialError:
                return
            except optuna.exceptions.StorageInternalError:
                continue  # A storage that is away for a moment: the next beat tells.


def _is_sampled(trial: FrozenTrial) -> bool:
    return bool(trial.user_attrs.get(Attr.ORIGIN, "sampled") == "sampled")


def _was_interrupted(trial: FrozenTrial) -> bool:
    failure = trial.user_attrs.get(Attr.FAILURE, {})
    return trial.state == TrialState.FAIL and failure.get("kind") == "interrupted"


def _ended(trials: Sequence[FrozenTrial]) -> int:
    return sum(
        trial.state.is_finished() and _is_sampled(trial) and not _was_interrupted(trial)
        for trial in trials
    )


def _is_needless(retry: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:
    number = retry.user_attrs.get(Attr.RETRY_OF)
    if number is None:
        return False
    return trials[number].state.is_finished() and not _was_interrupted(trials[number])


def _deaths(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> int:
    """Return how many workers, that of `trial` included, died of it since it last got further.

    Who was asked to stop has not died. A trial has got further when its curve is longer than ever:
    what the attempt before had trained is reused and reported again.
    """
    attempts = [trial]
    while (number := attempts[-1].user_attrs.get(Attr.RETRY_OF)) is not None:
        attempts.append(trials[number])
    deaths, furthest = 0, 0
    for attempt in reversed(attempts):
        epochs = len(attempt.user_attrs.get(Attr.CURVE, ()))
        if epochs > furthest:
            deaths, furthest = 0, epochs
        failure = attempt.user_attrs.get(Attr.FAILURE, {})
        deaths += attempt is trial or failure.get("reason") == _GONE
    return deaths


def _retry(trial: FrozenTrial) -> FrozenTrial:
    """Return a waiting trial with the settings of `trial`, those fixed when it was enqueued too."""
    kept = {name: trial.user_attrs[name] for name in (Attr.BASELINE,) if name in trial.user_attrs}
    fixed = {key: value for key, value in trial.system_attrs.items() if key == "fixed_params"}
    return optuna.create_trial(
        state=TrialState.WAITING,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs={name.value: value for name, value in kept.items()}
        | {Attr.ORIGIN.value: "sampled", Attr.RETRY_OF.value: trial.number},
        system_attrs=fixed,
    )
