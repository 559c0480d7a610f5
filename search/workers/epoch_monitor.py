"""Follows one student in training: records its curve, and asks whether it goes on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import optuna

from objectives import EpochReport, Verdict
from search.stopping import Audit, Pause, Ruling, Stop
from search.workers.events import EpochEnded, Event
from search.workers.stop_signal import StopSignal
from studies.records import add_epoch

Emit = Callable[[Event], None]

Rule = Callable[[Sequence[tuple[float, float]]], Ruling]
"""Rules on a student by its curve so far, (progress, accuracy) pairs."""


class ReleasedError(Exception):
    """The worker was asked to stop: the trial under way is for the next one to go on with."""


@dataclass
class EpochMonitor:
    """Follows one student in training (an objectives.OnEpoch).

    Reused epochs are recorded and not ruled on. Raises ReleasedError after an epoch during which a
    stop was asked for.
    """

    trial: optuna.Trial
    rule: Rule | None
    """None for a student that runs to its end."""
    stop_signal: StopSignal
    emit: Emit
    curve: list[tuple[float, float]] = field(default_factory=list)
    stop: Stop | Pause | None = None
    """The ruling that ended it early."""
    audit: Audit | None = None
    """The ruling that would have; it is asked for no other."""

    def __call__(self, report: EpochReport) -> Verdict:
        """Take one epoch's report and say whether the student goes on."""
        self.curve.append((report.progress, report.accuracy))
        add_epoch(self.trial, report.progress, report.accuracy)
        self.emit(
            EpochEnded(
                trial=self.trial.number,
                stage=report.stage,
                epoch=report.epoch,
                epochs=report.epochs,
                progress=report.progress,
                accuracy=report.accuracy,
                reused=report.reused,
            )
        )
        if report.reused or report.progress >= 1:
            return Verdict.GO_ON  # Nothing would be saved.
        if self.stop_signal.stopping:
            raise ReleasedError
        if self.audit is not None or self.rule is None:
            return Verdict.GO_ON
        ruling = self.rule(self.curve)
        if isinstance(ruling, Audit):
            self.audit = ruling
        if isinstance(ruling, Stop | Pause):
            self.stop = ruling
            return Verdict.STOP
        return Verdict.GO_ON
