"""The tables of a study file that are settings of `spaces`, and how they are checked.

The dataclasses of `spaces` own the rules. Here each key is tried alone in a valid sample of its
dataclass, so that a table with three faults shows three, each under its key.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic.dataclasses import dataclass as checked_dataclass

from spaces import (
    Architecture,
    DataConfig,
    DecayName,
    InputError,
    LoadTeacher,
    OptimizerName,
    Schedule,
    TeacherConfig,
    TrainTeacher,
)

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)

_DATA = DataConfig("digits")
_SCHEDULE = Schedule(epochs=1, learning_rate=1.0)
_ARCHITECTURE = Architecture("any")


def _rules_of(sample: Any) -> Callable[[Any, ValidationInfo], Any]:
    """Return a field validator that asks the dataclass of `sample`."""

    def check(value: Any, info: ValidationInfo) -> Any:
        try:
            replace(sample, **{str(info.field_name): value})
        except InputError as error:
            raise ValueError(str(error)) from error
        return value

    return check


class Table(BaseModel):
    """A table of a study file: unknown keys are faults."""

    model_config = ConfigDict(frozen=True, **STRICT)


@checked_dataclass(frozen=True, config=STRICT)
class DataTable(DataConfig):
    """[data]: every key of DataConfig."""

    _rules = field_validator("*")(_rules_of(_DATA))

    def settings(self) -> DataConfig:
        """Return the plain DataConfig."""
        return DataConfig(**asdict(self))


class StageTable(Table):
    """[distill] and [adapt]: a Schedule whose learning rate is searched."""

    epochs: int
    batch_size: int = _SCHEDULE.batch_size
    optimizer: OptimizerName = _SCHEDULE.optimizer
    weight_decay: float = _SCHEDULE.weight_decay
    decay: DecayName = _SCHEDULE.decay

    _rules = field_validator("*")(_rules_of(_SCHEDULE))

    def schedule(self, learning_rate: float) -> Schedule:
        """Return the Schedule with that learning rate."""
        return Schedule(
            epochs=self.epochs,
            learning_rate=learning_rate,
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            weight_decay=self.weight_decay,
            decay=self.decay,
        )


class TrainingTable(StageTable):
    """[teacher.training]: a whole Schedule."""

    learning_rate: float


class StudentTable(Table):
    """[student]: an Architecture whose width is searched."""

    architecture: str = Field(min_length=1)
    stem: Literal["imagenet", "small"] = _ARCHITECTURE.stem

    def settings(self) -> Architecture:
        """Return the Architecture at width 1."""
        return Architecture(self.architecture, stem=self.stem)


class TeacherTable(Table):
    """[teacher]: an Architecture, and a file of weights or how it is trained."""

    architecture: str = Field(min_length=1)
    width: float = _ARCHITECTURE.width
    stem: Literal["imagenet", "small"] = _ARCHITECTURE.stem
    weights: str | None = None
    """A safetensors file, or a state dict."""
    training: TrainingTable | None = None

    _rules = field_validator("width")(_rules_of(_ARCHITECTURE))

    @model_validator(mode="after")
    def _one_origin(self) -> "TeacherTable":
        if (self.weights is None) == (self.training is None):
            raise ValueError(
                "a teacher has either `weights` (a file) or a table `training` (how it is trained)"
            )
        return self

    def settings(self) -> TeacherConfig:
        """Return the TeacherConfig."""
        architecture = Architecture(self.architecture, self.width, self.stem)
        if self.training is not None:
            schedule = self.training.schedule(self.training.learning_rate)
            return TeacherConfig(architecture, TrainTeacher(schedule))
        return TeacherConfig(architecture, LoadTeacher(str(self.weights)))
