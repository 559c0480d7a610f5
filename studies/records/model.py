"""What a study has recorded, typed: points, students, stopped, failed and running trials."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from spaces import ChainConfig
from studies.records.names import Origin


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
    evaluation: dict[str, Any]
    baseline: str | None
    completed: datetime
    offered_by: int | None = None


@dataclass(frozen=True)
class Student:
    """A sampled trial's student whose training ended, with its whole curve."""

    number: int
    key: str
    chain: ChainConfig
    curve: tuple[tuple[float, float], ...]
    """(progress, accuracy) pairs, the last at progress 1."""
    stages: tuple[dict[str, Any], ...]
    audited: dict[str, Any] | None
    """The ruling that would have stopped it, had it not been audited."""
    completed: datetime
    accuracy: float
    """Final validation accuracy of the float network: the curve's last."""
    resumes: int | None = None
    """The paused trial that this one went on with."""


@dataclass(frozen=True)
class Stopped:
    """A sampled trial that was pruned."""

    number: int
    key: str
    chain: ChainConfig
    curve: tuple[tuple[float, float], ...]
    stages: tuple[dict[str, Any], ...]
    ruling: dict[str, Any]
    completed: datetime
    resumes: int | None = None
    """The paused trial that this one went on with."""

    @property
    def paused(self) -> bool:
        """Whether it was set aside for something better, not ruled out: it may go on."""
        return bool(self.ruling.get("paused", False))


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
    curve: tuple[tuple[float, float], ...]
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
    failed: tuple[Failed, ...] = field(default=())
    running: tuple[Running, ...] = field(default=())

    @property
    def ended(self) -> int:
        """Sampled trials that count against `--trials`: complete, pruned or failed for good.

        A trial that resumes another is the same sample again and counts no more.
        """
        failed = [failure for failure in self.failed if failure.kind != "interrupted"]
        ended: list[Student | Stopped | Failed] = [*self.students, *self.stopped, *failed]
        return [trial.resumes for trial in ended].count(None)

    @property
    def ruled_out(self) -> tuple[Stopped, ...]:
        """Trials whose student was stopped for good, one a student, and never ran to its end."""
        ended = {student.key for student in self.students}
        last = {trial.key: trial for trial in self.stopped}
        return tuple(t for t in last.values() if not t.paused and t.key not in ended)

    @property
    def paused(self) -> tuple[Stopped, ...]:
        """Trials set aside whose student waits to be resumed, one a student, the latest."""
        last = {trial.key: trial for trial in self.stopped}
        taken = {student.key for student in self.students}
        taken |= {trial.student for trial in self.running if trial.student is not None}
        resumed = {trial.resumes for trial in self.running}
        resumed |= {trial.resumes for trial in self.failed}
        return tuple(
            trial
            for trial in last.values()
            if trial.paused and trial.key not in taken and trial.number not in resumed
        )
