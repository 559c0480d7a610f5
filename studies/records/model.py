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


@dataclass(frozen=True)
class Failed:
    """A sampled trial that failed; interrupted ones are retried and do not count as ended."""

    number: int
    kind: str
    reason: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Running:
    """A sampled trial that has begun (or waits) and not ended."""

    number: int
    worker: dict[str, Any] | None
    curve: tuple[tuple[float, float], ...]


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
        """Sampled trials that count against `--trials`: complete, pruned or failed for good."""
        failed = sum(failure.kind != "interrupted" for failure in self.failed)
        return len(self.students) + len(self.stopped) + failed
