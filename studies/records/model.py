"""What a study has recorded, typed: points, students, stopped, paused, failed, running trials."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from objectives import Evaluation, StageRecord
from spaces import ChainConfig
from studies.records.names import Origin

Curve = tuple[tuple[float, float], ...]
"""(progress, accuracy) pairs of the float network, one an epoch."""


@dataclass(frozen=True)
class RecordedRuling:
    """Why a student was stopped, paused or audited, as its trial keeps it."""

    words: str
    """The reason as a sentence."""
    progress: float
    """Share of the student's epochs that were done."""
    facts: Mapping[str, Any]
    """Every figure of the reason, by name."""


@dataclass(frozen=True)
class Point:
    """A complete trial: student x scheme with its three objectives."""

    number: int
    """Optuna's trial number."""
    origin: Origin
    student: str
    scheme: str
    chain: ChainConfig | None
    """None for a baseline of the teacher."""
    accuracy: float
    size_bytes: int
    latency_ms: float
    evaluation: Evaluation
    """On the validation split."""
    baseline: str | None
    completed: datetime
    offered_by: int | None = None


@dataclass(frozen=True)
class Student:
    """A sampled trial's student whose training ended, with its whole curve."""

    number: int
    key: str
    chain: ChainConfig
    curve: Curve
    """The last pair is at progress 1."""
    stages: tuple[StageRecord, ...]
    audited: RecordedRuling | None
    """The ruling that would have stopped it, had it not been audited."""
    completed: datetime
    accuracy: float
    """Final validation accuracy of the float network: the curve's last."""
    resumes: int | None = None
    """The paused trial that this one went on with."""


@dataclass(frozen=True)
class _Pruned:
    number: int
    key: str
    chain: ChainConfig
    curve: Curve
    stages: tuple[StageRecord, ...]
    ruling: RecordedRuling
    completed: datetime
    resumes: int | None = None
    """The paused trial that this one went on with."""


@dataclass(frozen=True)
class Stopped(_Pruned):
    """A sampled trial whose student was ruled out for good."""


@dataclass(frozen=True)
class Paused(_Pruned):
    """A sampled trial whose student made way for another: it may be resumed."""


@dataclass(frozen=True)
class Failed:
    """A sampled trial that failed; interrupted ones are retried and do not count as ended."""

    number: int
    kind: str
    reason: str
    params: dict[str, Any]
    resumes: int | None = None


@dataclass(frozen=True)
class Running:
    """A sampled trial that has begun (or waits) and not ended."""

    number: int
    worker: dict[str, Any] | None
    curve: Curve
    student: str | None = None
    """Its student's key, once that is known."""
    chain: ChainConfig | None = None
    resumes: int | None = None


@dataclass(frozen=True)
class History:
    """Everything a study's trials say, in trial order."""

    points: tuple[Point, ...] = field(default=())
    students: tuple[Student, ...] = field(default=())
    stopped: tuple[Stopped, ...] = field(default=())
    paused: tuple[Paused, ...] = field(default=())
    """Every trial that ended so, resumed since or not."""
    failed: tuple[Failed, ...] = field(default=())
    running: tuple[Running, ...] = field(default=())

    @cached_property
    def pruned(self) -> tuple[Stopped | Paused, ...]:
        """The stopped and the paused trials, in trial order."""
        both: list[Stopped | Paused] = [*self.stopped, *self.paused]
        return tuple(sorted(both, key=lambda trial: trial.number))

    @cached_property
    def failed_for_good(self) -> tuple[Failed, ...]:
        """The failed trials that nobody goes on with."""
        return tuple(failure for failure in self.failed if failure.kind != "interrupted")

    @property
    def ended(self) -> int:
        """Sampled trials that count against `--trials`: complete, pruned or failed for good.

        A trial that resumes another is the same sample again and counts no more.
        """
        ended: list[Student | Stopped | Paused | Failed] = [
            *self.students,
            *self.pruned,
            *self.failed_for_good,
        ]
        return [trial.resumes for trial in ended].count(None)

    @property
    def ruled_out(self) -> tuple[Stopped, ...]:
        """Trials whose student was stopped for good, one a student, and never ran to its end."""
        ended = {student.key for student in self.students}
        return tuple(
            trial
            for trial in self._last_pruned.values()
            if isinstance(trial, Stopped) and trial.key not in ended
        )

    @property
    def waiting(self) -> tuple[Paused, ...]:
        """Paused trials whose student waits to be resumed, one a student, the latest."""
        taken = {student.key for student in self.students}
        taken |= {trial.student for trial in self.running if trial.student is not None}
        resumed = {trial.resumes for trial in self.running}
        resumed |= {trial.resumes for trial in self.failed}
        return tuple(
            trial
            for trial in self._last_pruned.values()
            if isinstance(trial, Paused) and trial.key not in taken and trial.number not in resumed
        )

    @cached_property
    def _last_pruned(self) -> Mapping[str, Stopped | Paused]:
        return {trial.key: trial for trial in self.pruned}
