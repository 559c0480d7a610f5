"""Who runs which trial: claims for the living, and the trials of the dead for others to go on with.

Everything here happens under the study's lock, one process at a time. So whatever a claim or a
reclaim left half done belongs to a process that died in it, and the next to look finishes it:

- a running trial without a worker was asked for by one that died before it could sign;
- a dead trial's retry is enqueued first and the dead one told FAIL after, so that a death between
  the two leaves a retry that is found again, never none and never two.

A trial that kills whoever runs it (out of memory, say) would go from hand to hand for ever: after
DEATHS deaths without an epoch gained it has failed. A worker whose command went with it was killed
from outside, or its machine was switched off, and the trial had no part in it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState

from search.strategy import Enough, NewFirst, Scheduler, is_sampled
from search.workers.heartbeat import Heartbeat, ProcessHeartbeat
from studies import Lock, ServerClock, study_lock
from studies.records import Attr, FailureKind, HistoryReader, is_late, resumes

DEATHS = 3
"""Workers that may die of one trial at one place before the trial has failed."""

_DIED = "its worker is gone"
_GONE = "its worker is gone, and the command that started it"


def open_claims(
    study: optuna.Study,
    storage: RDBStorage,
    reader: HistoryReader | None = None,
    scheduler: Scheduler | None = None,
    enough: Enough | None = None,
) -> "Claims":
    """Return the claims of this process for a study that lies in `storage`.

    reader: of `study`; whoever reads its history too gives the one that does. scheduler: NewFirst
    when None. enough: what ends the study before its trials are used up.
    """
    return Claims(
        study,
        storage,
        reader or HistoryReader(study),
        lock=study_lock(storage, study.study_name),
        heartbeat=ProcessHeartbeat(ServerClock(storage)),
        scheduler=scheduler or NewFirst(),
        enough=enough,
    )


class Claims:
    """The claims of one worker on one study."""

    def __init__(
        self,
        study: optuna.Study,
        storage: BaseStorage,
        reader: HistoryReader,
        *,
        lock: Lock,
        heartbeat: Heartbeat,
        scheduler: Scheduler,
        enough: Enough | None = None,
    ) -> None:
        self._study = study
        self._storage = storage
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._reader = reader
        self.lock = lock
        """The study's: held by one process at a time."""
        self._heartbeat = heartbeat
        self._scheduler = scheduler
        self._enough = enough
        self.over = False
        """Whether the last claim found nothing to run, here or anywhere, now or later."""

    def claim(
        self, total: int, draw: Callable[[optuna.Trial], None] | None = None
    ) -> optuna.Trial | None:
        """Return a trial for this worker to run, None when there is none now; see `over`.

        `draw` gives it its settings before anybody else can claim one: two that are free at once
        would draw the same student. It is not to raise.

        Trials of dead workers come first, then enqueued ones, then, unless that is enough, a
        paused student if the scheduler names one, then new ones, and at last what was enqueued
        late. No more than `total` sampled trials end for good or run; those that go on with a
        paused student do not count.
        """
        with self.lock():
            trials = self._settled()
            left = total - sum(map(_counts, trials))
            late = [trial for trial in trials if is_late(trial)]
            trial = self._claim_waiting([t for t in trials if not is_late(t)], new_allowed=left > 0)
            if trial is None and not self._has_enough():
                trial = self._resume(trials, new_allowed=left > len(late))
                if trial is None and left > len(late):
                    trial = self._begun(optuna.create_trial(state=TrialState.WAITING))
            if trial is None:
                trial = self._claim_waiting(late, new_allowed=left > 0)
            # What runs elsewhere may be paused or lose its worker, and is to be gone on with then.
            self.over = trial is None and not any(map(_runs, trials))
            if trial is None:
                return None
            for name, value in {Attr.ORIGIN: "sampled", **self._heartbeat.signature()}.items():
                self._set(trial.number, name, value)
            if draw is not None:
                draw(trial)
        self._heartbeat.begin(trial)
        return trial

    def _has_enough(self) -> bool:
        return self._enough is not None and self._enough(self._reader.read())

    def _claim_waiting(
        self, trials: Sequence[FrozenTrial], *, new_allowed: bool
    ) -> optuna.Trial | None:
        """Return the first that waits, running now; only those that resume when no new may.

        As Study.ask, which would take the first that waits whatever it is.
        """
        for trial in trials:
            if trial.state == TrialState.WAITING and (new_allowed or resumes(trial)):
                trial_id = self._id(trial.number)
                # Not so where the lock was lost with a connection, and another was quicker.
                if self._storage.set_trial_state_values(trial_id, TrialState.RUNNING):
                    return optuna.Trial(self._study, trial_id)
        return None

    def _begun(self, trial: FrozenTrial) -> optuna.Trial | None:
        """Add `trial` and return it, running now.

        Study.ask would take any that waits, late ones too. What is added last need not be this one,
        as offers are added without the lock; of those that wait, it is.
        """
        self._study.add_trial(trial)
        waiting = self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        return self._claim_waiting(waiting[-1:], new_allowed=True)

    def _resume(self, trials: Sequence[FrozenTrial], *, new_allowed: bool) -> optuna.Trial | None:
        if not any(map(_was_paused, trials)):
            return None  # As in most studies: whose history need not be read for it.
        paused = self._scheduler.resumption(self._reader.read(), new_allowed=new_allowed)
        if paused is None:
            return None
        return self._begun(_again(trials[paused.number], {Attr.RESUMES: paused.number}))

    def release(self, trial: optuna.Trial) -> None:
        """Give back a trial that this worker will not end, for anyone to go on with."""
        self._heartbeat.end()
        with self.lock():
            trials = self._study.get_trials(deepcopy=False)
            if trials[trial.number].state == TrialState.RUNNING:  # Nobody has ended it meanwhile.
                self._hand_on(trials[trial.number], trials, "its worker was asked to stop")

    def release_own(self) -> None:
        """Give back what this process was claiming or running when it lost the storage."""
        self._heartbeat.end()
        own = self._heartbeat.signature()[Attr.WORKER]
        with self.lock():
            trials = self._study.get_trials(deepcopy=False)
            for trial in trials:
                if _runs(trial) and trial.user_attrs.get(Attr.WORKER) == own:
                    self._hand_on(trial, trials, "its worker lost the storage")

    def ended(self) -> int:
        """Return how many sampled trials have ended for good, those that resume one not counted."""
        return sum(
            _counts(trial) and not _runs(trial) for trial in self._study.get_trials(deepcopy=False)
        )

    def goes_on_with(self, trial: optuna.Trial) -> int | None:
        """Return the number of the interrupted or paused trial that `trial` goes on with."""
        attrs = trial.user_attrs
        number: int | None = attrs.get(Attr.RETRY_OF, attrs.get(Attr.RESUMES))
        return number

    def _settled(self) -> list[FrozenTrial]:
        """Return all trials, after those of dead workers were handed on."""
        trials = self._study.get_trials(deepcopy=False)
        gone = [t for t in trials if _runs(t) and self._heartbeat.is_gone(t)]
        for trial in gone:
            alone = self._heartbeat.died_alone(trial)
            self._hand_on(trial, trials, _DIED if alone else _GONE)
        trials = self._study.get_trials(deepcopy=False) if gone else trials
        needless = [t for t in trials if t.state == TrialState.WAITING and _is_needless(t, trials)]
        for trial in needless:
            self._fail(trial, "the trial that it goes on with has ended after all")
        return self._study.get_trials(deepcopy=False) if needless else trials

    def _hand_on(self, trial: FrozenTrial, trials: Sequence[FrozenTrial], reason: str) -> None:
        """Enqueue what `trial` was, unless that was done, and end it as interrupted."""
        if reason == _DIED and _deaths(trial, trials) >= DEATHS:
            self._fail(
                trial,
                f"{DEATHS} workers died of it, each without getting any further: out of memory, or "
                "killed one by one",
                kind="error",
            )
            return
        if not any(other.user_attrs.get(Attr.RETRY_OF) == trial.number for other in trials):
            kept = {n: trial.user_attrs[n] for n in (Attr.RESUMES,) if n in trial.user_attrs}
            self._study.add_trial(_again(trial, kept | {Attr.RETRY_OF: trial.number}))
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


def _was_interrupted(trial: FrozenTrial) -> bool:
    failure = trial.user_attrs.get(Attr.FAILURE, {})
    return trial.state == TrialState.FAIL and failure.get("kind") == "interrupted"


def _runs(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.RUNNING


def _was_paused(trial: FrozenTrial) -> bool:
    return bool(trial.user_attrs.get(Attr.RULING, {}).get("paused", False))


def _counts(trial: FrozenTrial) -> bool:
    """Return whether a trial is one of those asked for: it runs, or has ended for good."""
    if not is_sampled(trial) or resumes(trial):
        return False
    return _runs(trial) or (trial.state.is_finished() and not _was_interrupted(trial))


def _is_needless(retry: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:
    number = retry.user_attrs.get(Attr.RETRY_OF)
    if number is None:
        return False
    return trials[number].state.is_finished() and not _was_interrupted(trials[number])


def _deaths(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> int:
    """Return how many workers, that of `trial` included, died of it since it last got further.

    Who was asked to stop, or went with its command, has not died of it. A trial has got further
    when its curve is longer than ever: what the attempt before had trained is reused and reported
    again.
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
        deaths += attempt is trial or failure.get("reason") == _DIED
    return deaths


def _again(trial: FrozenTrial, marks: Mapping[Attr, Any]) -> FrozenTrial:
    """Return a waiting trial with the settings of `trial`, those fixed when it was enqueued too."""
    kept = {name: trial.user_attrs[name] for name in (Attr.BASELINE,) if name in trial.user_attrs}
    attrs = {Attr.ORIGIN: "sampled", **kept, **marks}
    fixed = {key: value for key, value in trial.system_attrs.items() if key == "fixed_params"}
    return optuna.create_trial(
        state=TrialState.WAITING,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs={name.value: value for name, value in attrs.items()},
        system_attrs=fixed,
    )
