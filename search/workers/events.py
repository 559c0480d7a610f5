"""What a worker tells the command that started it: one JSON line an event."""

import json
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Preparing:
    """The worker does, or waits for, something that all trials share."""

    words: str
    kind: ClassVar[str] = "preparing"


@dataclass(frozen=True)
class Noted:
    """Something was found that the person should see, once, whichever worker found it."""

    words: str
    kind: ClassVar[str] = "noted"


@dataclass(frozen=True)
class TrialBegan:
    """A sampled trial was claimed."""

    trial: int
    words: str
    """Its settings in a few words."""
    goes_on_with: int | None = None
    """The interrupted or paused trial."""
    kind: ClassVar[str] = "trial_began"


@dataclass(frozen=True)
class EpochEnded:
    """An epoch of the teacher (trial None) or of a trial's student ended."""

    trial: int | None
    stage: str
    epoch: int
    epochs: int
    progress: float
    accuracy: float
    reused: bool
    kind: ClassVar[str] = "epoch_ended"


@dataclass(frozen=True)
class PointAdded:
    """A point was added to the study."""

    trial: int
    scheme: str
    origin: str
    accuracy: float
    size_bytes: int
    latency_ms: float
    kind: ClassVar[str] = "point_added"


@dataclass(frozen=True)
class TrialEnded:
    """A sampled trial ended: `complete`, `stopped`, `paused`, `failed` or `interrupted`."""

    trial: int
    state: str
    words: str
    counts: bool = True
    """False for one that went on with a paused student: the same sample again."""
    kind: ClassVar[str] = "trial_ended"


@dataclass(frozen=True)
class Failed:
    """The worker ends by a fault of the machine, the storage or the program."""

    words: str
    kind: ClassVar[str] = "failed"


Event = Preparing | Noted | TrialBegan | EpochEnded | PointAdded | TrialEnded | Failed

_KINDS: dict[str, type[Event]] = {
    event.kind: event
    for event in (Preparing, Noted, TrialBegan, EpochEnded, PointAdded, TrialEnded, Failed)
}


def to_line(event: Event) -> str:
    """Return `event` as one line of JSON."""
    return json.dumps({"kind": event.kind, **asdict(event)})


def from_line(line: str) -> Event:
    """Return the event of one line; raises ValueError or KeyError on anything else."""
    values: dict[str, Any] = json.loads(line)
    return _KINDS[values.pop("kind")](**values)
