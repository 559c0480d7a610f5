"""Whether the worker of a trial is alive: its signature, its beats, and who is gone."""

import threading
from typing import Any, Protocol

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial
from sqlalchemy.exc import SQLAlchemyError

from search.workers.worker_identity import WorkerIdentity
from studies.records import Attr

BEAT_S = 10.0
"""How often a worker says that it is alive."""
STALE_S = 45.0
"""A worker elsewhere that has not said so for this long, by the storage's clock, is dead."""
_SETTLED_S = 20.0
"""So long after the storage was away, all that live have said so again."""


class Clock(Protocol):
    """A clock that all workers of a study share."""

    def __call__(self) -> float:
        """Return its time in seconds."""
        ...

    def steady_s(self) -> float:
        """Return for how long whoever keeps it has answered without a gap."""
        ...


class Heartbeat(Protocol):
    """How a worker shows the others that it lives, and sees whether they do."""

    def signature(self) -> dict[Attr, Any]:
        """Return what a trial that this worker claims is signed with, the worker's name last."""
        ...

    def is_gone(self, trial: FrozenTrial) -> bool:
        """Return whether nobody runs the running `trial` any more."""
        ...

    def died_alone(self, trial: FrozenTrial) -> bool:
        """Return whether the command that started the worker of `trial` lives, who is gone."""
        ...

    def begin(self, trial: optuna.Trial) -> None:
        """Show from now on that this worker runs `trial`, and no other."""
        ...

    def end(self) -> None:
        """Show nothing more."""
        ...


class ProcessHeartbeat:
    """The heartbeat of this process: one worker a process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._here = WorkerIdentity.of_this_process()
        self._command = WorkerIdentity.of_the_command()
        self._stop = threading.Event()

    def signature(self) -> dict[Attr, Any]:
        """Return when this process said that it is alive, who started it, and which one it is."""
        command = None if self._command is None else self._command.as_dict()
        return {
            Attr.BEAT: self._clock(),
            Attr.COMMAND: command,
            Attr.WORKER: self._here.as_dict(),
        }

    def is_gone(self, trial: FrozenTrial) -> bool:
        """Return whether the process that signed has ended, or is elsewhere and silent."""
        worker = trial.user_attrs.get(Attr.WORKER)
        if worker is None:
            return True
        gone = WorkerIdentity.from_dict(worker).is_gone_from(self._here)
        if gone is not None:
            return gone
        silent_s = self._clock() - trial.user_attrs.get(Attr.BEAT, 0.0)
        return bool(silent_s > STALE_S and self._clock.steady_s() > _SETTLED_S)

    def died_alone(self, trial: FrozenTrial) -> bool:
        """Return whether the command is seen to live: from elsewhere nobody can tell."""
        command = trial.user_attrs.get(Attr.COMMAND)
        return (
            command is not None
            and WorkerIdentity.from_dict(command).is_gone_from(self._here) is False
        )

    def begin(self, trial: optuna.Trial) -> None:
        """Beat in a thread of its own until the trial or the process ends, or another begins."""
        self.end()
        self._stop = threading.Event()
        threading.Thread(target=_beat, args=(trial, self._clock, self._stop), daemon=True).start()

    def end(self) -> None:
        """Beat no more."""
        self._stop.set()


def _beat(trial: optuna.Trial, clock: Clock, stop: threading.Event) -> None:
    while not stop.wait(BEAT_S):
        try:
            trial.set_user_attr(Attr.BEAT.value, clock())
        except UpdateFinishedTrialError:
            return
        except (optuna.exceptions.StorageInternalError, SQLAlchemyError):
            continue  # A storage that is away for a moment: the next beat tells.
