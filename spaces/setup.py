"""What all students of a study share: data, teacher, and how arithmetic is done."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from spaces.data import DataConfig
from spaces.network import Network
from spaces.schedule import Schedule
from spaces.settings import SEED, Number, check_numbers

MeasureName = Literal["accuracy", "balanced_accuracy", "f1"]
THREADS = Number(least=1, most=1024, whole=True)


@dataclass(frozen=True)
class TrainTeacher:
    """The teacher is trained by us, once per study."""

    schedule: Schedule
    kind: Literal["train"] = "train"


@dataclass(frozen=True)
class LoadTeacher:
    """The teacher's weights come from a file (safetensors, or a state dict)."""

    path: str
    kind: Literal["load"] = "load"
    part: str | None = None
    """Which set of weights in the file, where several fit: the keys that lead to it, with dots."""


@dataclass(frozen=True)
class TeacherConfig:
    """The network that is too big, and where its weights come from."""

    network: Network
    weights: Annotated[TrainTeacher | LoadTeacher, Field(discriminator="kind")]


@dataclass(frozen=True)
class StudySetup:
    """What a study settles before its first student."""

    data: DataConfig
    teacher: TeacherConfig
    seed: Annotated[int, SEED]
    """Seed of the teacher and of every student."""
    threads: Annotated[int, THREADS] = 1
    """CPU threads of training and evaluation; part of what decides the bits of a result."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where training happens; artifacts are always run by their runtime on the CPU."""
    runtime: Literal["onnxruntime", "executorch"] = "onnxruntime"
    """What runs the artifacts."""
    measure: MeasureName = "accuracy"
    """What a network is judged by (objectives.measures), in training and as a point."""
    modules: tuple[str, ...] = ()
    """Folders in which a `module:function` is looked for, after the current one, once trusted."""

    def __post_init__(self) -> None:
        check_numbers(self)
