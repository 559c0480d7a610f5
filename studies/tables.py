"""The tables of a study file that are settings of `spaces`, and how they are checked.

The dataclasses of `spaces` own the rules. Here each key is tried alone in a valid sample of its
dataclass, so that a table with three faults shows three, each under its key.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic.dataclasses import dataclass as checked_dataclass

from spaces import (
    AS_DATA,
    AUGMENTATION,
    DEFAULT_CHAIN,
    NO_WEIGHTS,
    STAGES,
    DataConfig,
    DecayName,
    InputError,
    LoadTeacher,
    Network,
    OptimizerName,
    Schedule,
    TeacherConfig,
    TrainTeacher,
)

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)

_DATA = DataConfig("digits")
_SCHEDULE = Schedule()
_LONG_SCHEDULE = Schedule(epochs=10_000, decay="constant")
"""In which every key can be tried alone: a warm-up needs longer training, and no `one_cycle`."""
_NO_SWITCHES = [name for name, value in asdict(_DATA).items() if not isinstance(value, bool)]
_SEVERAL_FORMS = ("augment", "classes", "mean", "std", "class_weights")
"""Keys of more than one type: DataConfig says in one line what they can be, pydantic in several."""


def _no_switch(value: Any) -> Any:
    """Refuse true and false for a number, which Python would take for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError(f"must not be {str(value).lower()}")  # noqa: TRY004
    return value


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

    _switches = field_validator("*", mode="before")(_no_switch)


@checked_dataclass(frozen=True, config=STRICT)
class DataTable(DataConfig):
    """[data]: every key of DataConfig."""

    _switches = field_validator(*_NO_SWITCHES, mode="before")(_no_switch)
    _forms = field_validator(*_SEVERAL_FORMS, mode="before")(_rules_of(_DATA))
    _rules = field_validator("*")(_rules_of(_DATA))

    @model_validator(mode="after")
    def _normalises(self) -> "DataTable":
        try:
            _ = self.normalisation
        except InputError as error:
            raise ValueError(str(error)) from error
        return self

    def settings(self, *, loaded_teacher: bool) -> DataConfig:
        """Return the plain DataConfig; a loaded teacher is judged on what it has not seen."""
        config = DataConfig(**asdict(self))
        if config.held_back_from is None and loaded_teacher:
            return replace(config, held_back_from="unseen")
        return config


class TrainingTable(Table):
    """[teacher.training]: a whole Schedule."""

    epochs: int = _SCHEDULE.epochs
    learning_rate: float = _SCHEDULE.learning_rate
    batch_size: int = _SCHEDULE.batch_size
    optimizer: OptimizerName = _SCHEDULE.optimizer
    weight_decay: float = _SCHEDULE.weight_decay
    decay: DecayName = _SCHEDULE.decay
    warmup_epochs: float = _SCHEDULE.warmup_epochs

    _rules = field_validator("*")(_rules_of(_LONG_SCHEDULE))

    @model_validator(mode="after")
    def _goes_together(self) -> "TrainingTable":
        self.schedule()
        return self

    def schedule(self) -> Schedule:
        """Return the Schedule; raises ValueError where some keys do not go together."""
        try:
            return Schedule(**self.model_dump())
        except InputError as error:
            raise ValueError(str(error)) from error


class TeacherTable(Table):
    """[teacher]: a Network, and a file of weights or how it is trained."""

    architecture: str = Field(min_length=1)
    width: float = 1.0
    stem: Literal["imagenet", "small"] = "imagenet"
    image_size: int | None = Field(None, ge=8, le=1024)
    """Of what it sees; None: as the images are held."""
    weights: str | None = None
    """A safetensors file, or a state dict."""
    weights_part: str | None = None
    """Which set of weights in that file, where several fit."""
    pretrained: str | None = Field(None, min_length=1)
    """Torchvision's weights that its training begins with, its classifier aside, by their name:
    `IMAGENET1K_V1`."""
    augment: str | None = None
    """Random changes of the images that it is trained on, as `distill.augment`; not set: as
    `[data]` says."""
    training: TrainingTable | None = None

    @field_validator("augment")
    @classmethod
    def _by_name(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                AUGMENTATION.read("augment", value)
            except InputError as error:
                raise ValueError(str(error)) from error
        return value

    @field_validator("width")
    @classmethod
    def _has_it(cls, width: float, info: ValidationInfo) -> float:
        # An architecture that is wrong itself is missing here, and has its own fault.
        try:
            Network(info.data.get("architecture") or "mobilenet_v2", width)
        except InputError as error:
            raise ValueError(str(error)) from error
        return width

    @model_validator(mode="after")
    def _whole(self) -> Self:
        self._check()
        return self

    def _check(self) -> None:
        """Raise ValueError unless its keys go together."""
        if (self.weights is None) == (self.training is None):
            raise ValueError(
                "a teacher has either `weights` (a file) or a table `training` (how it is trained)"
            )
        if self.weights is None and self.weights_part is not None:
            raise ValueError("`weights_part` is a part of a file, and there is no `weights`")
        if self.training is None and self.pretrained is not None:
            raise ValueError(
                "`pretrained` weights have other classes: a table `training` says how they are "
                "trained on these; weights that know them are `weights` (a file)"
            )
        if self.training is None and self.augment is not None:
            raise ValueError("`augment` needs a table `training`: loaded weights are not trained")

    def settings(self, image_size: int) -> TeacherConfig:
        """Return the TeacherConfig; image_size: at which the images are held."""
        size = self.image_size or image_size
        network = Network(self.architecture, self.width, self.stem, size)
        if self.training is None:
            return TeacherConfig(network, LoadTeacher(str(self.weights), part=self.weights_part))
        begun = self.pretrained or NO_WEIGHTS
        augment = self.augment or AS_DATA
        weights = TrainTeacher(self.training.schedule(), pretrained=begun, augment=augment)
        return TeacherConfig(network, weights)


class ChainTable(Table):
    """[chain]: which stages train a student, in which order."""

    stages: tuple[str, ...] = DEFAULT_CHAIN
    """Kinds of stages, each once; each has a table of its own in [space]."""
    orders: tuple[tuple[str, ...], ...] = ()
    """Several orders of these stages, as `[["distill", "prune"], ["prune", "distill"]]`: which one
    a student has is searched, as `chain.order`. Empty: all have that of `stages`."""

    @field_validator("stages")
    @classmethod
    def _works(cls, stages: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [kind for kind in stages if kind not in STAGES]:
            names = ", ".join(map(repr, unknown))
            raise ValueError(f"unknown stage {names}: known are {', '.join(STAGES)}")
        if twice := [kind for kind in stages if stages.count(kind) > 1]:
            raise ValueError(
                f"every stage stands once, got {twice[0]} {stages.count(twice[0])} times"
            )
        _check_beginning(stages)
        return stages

    @field_validator("orders")
    @classmethod
    def _are_of_these(
        cls, orders: tuple[tuple[str, ...], ...], info: ValidationInfo
    ) -> tuple[tuple[str, ...], ...]:
        for order in orders:
            if sorted(order) != sorted(info.data.get("stages", order)):
                stages = ", ".join(info.data["stages"])
                raise ValueError(f"every order has each of {stages} once, got {', '.join(order)}")
            _check_beginning(order)
        if len(orders) == 1 or len(set(orders)) < len(orders):
            raise ValueError("must be two orders or more, each once; one alone is `stages`")
        return orders


def _check_beginning(stages: tuple[str, ...]) -> None:
    beginnings = [kind for kind, stage in STAGES.items() if stage.can_begin]
    if not stages or stages[0] not in beginnings:
        first = stages[0] if stages else "nothing"
        raise ValueError(
            f"a chain begins with what makes weights ({', '.join(beginnings)}): {first} "
            "cannot be first"
        )
