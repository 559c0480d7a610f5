"""What the chain gives back: epoch reports, curves, trained or stopped students, evaluations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Literal

StageName = str
"""`teacher`, or the kind of a student's stage."""


@dataclass(frozen=True)
class EpochReport:
    """One finished epoch of one stage, with the validation accuracy of the float network."""

    stage: StageName
    """Which step of the chain."""
    epoch: int
    """Finished epochs of this stage, from 1."""
    epochs: int
    """Epochs this stage has."""
    progress: float
    """Share of the whole student's epochs, of all its stages, that are done, in (0, 1]."""
    accuracy: float
    """Share of validation images the network in training gets right, batch-norm re-estimated."""
    seconds: float
    """Time this epoch took when it was trained."""
    reused: bool
    """True when the epoch came from the stage cache and cost nothing now."""


class Verdict(Enum):
    """The answer to an epoch report."""

    GO_ON = "go on"
    STOP = "stop"


OnEpoch = Callable[[EpochReport], Verdict]
"""Called after every epoch, reused ones too, in order; STOP ends the student there."""


@dataclass(frozen=True)
class StageRecord:
    """One stage of one student, as it was paid for."""

    stage: StageName
    key: str
    """The stage cache's key (SHA-256, hex)."""
    seconds: float
    """Seconds of training the stage takes when nothing is reused."""
    seconds_reused: float
    """Of those, seconds that the stage cache saved this time."""
    epochs: int


@dataclass(frozen=True)
class TrainedTeacher:
    """A teacher that is ready, one network or several as one."""

    key: str
    """The stage cache's key; of an ensemble, what the keys of what it leaves are made of."""
    accuracy: float
    """Of the float network on the validation split."""
    stages: tuple[StageRecord, ...]
    remark: str = ""
    """How loaded weights were read, where they were not taken as they are."""


@dataclass(frozen=True)
class TrainedStudent:
    """A student whose training ended; its float weights lie merged in `weights`."""

    key: str
    """spaces.student_key of its settings (or the teacher's stage key, for the teacher)."""
    weights: Path
    """safetensors file of the merged float network under the architecture's state-dict names."""
    accuracy: float
    """Validation accuracy of the float network after the last epoch; of one that was trained for a
    layout, as that rounds it."""
    stages: tuple[StageRecord, ...] = field(default=())
    leaves: Mapping[str, Path] = field(default_factory=dict)
    """Folders that its stages left beside the weights (spaces.Stage.leaves), by name."""
    remark: str = ""
    """How a file of weights was read, where that needs saying."""
    bases: Mapping[str, Path] = field(default_factory=dict)
    """By the same names, the weights before the stage: a safetensors file as `weights`."""


@dataclass(frozen=True)
class StoppedStudent:
    """A student that a STOP verdict ended; its checkpoints stay in the cache."""

    key: str
    last: EpochReport
    stages: tuple[StageRecord, ...] = field(default=())


@dataclass(frozen=True)
class Evaluation:
    """An artifact's quality on one split, run by its runtime."""

    split: Literal["validation", "test"]
    images: int
    accuracy: float
    """Share of images classified right."""
    f1: float
    """Macro average over classes, as precision and recall."""
    precision: float
    recall: float
    kl_to_teacher: float
    """Mean KL(teacher || artifact) in nats at temperature 1."""
    confusion: tuple[tuple[int, ...], ...]
    """Counts [true class][predicted class]."""
    size_bytes: int
    """Bytes of the artifact on disk."""
    seconds: float
    """Time that filling, loading and scoring took."""
    mutual_information: float | None = None
    """Between the predictions of teacher and artifact, in bits; None in records that lack it."""
    calibration_error: float | None = None
    """Expected calibration error, in [0, 1]; None in records that lack it."""
    compressed_bytes: int | None = None
    """What gzip makes of the artifact, of a network whose weights were pruned; else None. It is no
    artifact's size: what runs the file needs all of `size_bytes`."""
