"""One whole chain, typed: what teacher, what student, how distilled, adapted and quantized."""

import hashlib
import json
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from spaces.adaptation import Adaptation, LoRA
from spaces.architecture import Architecture
from spaces.data import DataConfig
from spaces.distillation import Method
from spaces.errors import InputError
from spaces.quantization import Scheme
from spaces.training import Schedule

Config = TypeVar("Config")


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


@dataclass(frozen=True)
class TeacherConfig:
    """The network that is too big, and where its weights come from."""

    architecture: Architecture
    weights: Annotated[TrainTeacher | LoadTeacher, Field(discriminator="kind")]


@dataclass(frozen=True)
class StudentConfig:
    """One trained set of weights: what costs minutes; what is sampled, stopped and cached."""

    architecture: Architecture
    method: Annotated[Method, Field(discriminator="kind")]
    schedule: Schedule
    adaptation: Annotated[Adaptation, Field(discriminator="kind")]
    seed: int

    @property
    def epochs(self) -> tuple[int, int]:
        """Epochs of distilling and of adapting."""
        adapt = self.adaptation.schedule.epochs if isinstance(self.adaptation, LoRA) else 0
        return self.schedule.epochs, adapt

    @property
    def total_epochs(self) -> int:
        """Both together: what a curve's progress 1 stands for."""
        return sum(self.epochs)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        # What chooses the next student looks thousands of them up, several times each.
        return hash((self.architecture, self.method, self.schedule, self.adaptation, self.seed))

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings alone: another process hashes their words otherwise."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class ChainConfig:
    """A student and the scheme that turns it into an artifact: one point."""

    student: StudentConfig
    scheme: Annotated[Scheme, Field(discriminator="kind")]


@dataclass(frozen=True)
class Foundation:
    """What all students of a study share: the data, the teacher and how arithmetic is done."""

    data: DataConfig
    teacher: TeacherConfig
    seed: int
    """Seed of the teacher and of every student."""
    threads: int = 1
    """CPU threads of training and evaluation; part of what decides the bits of a result."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where training happens; artifacts are always run by their runtime on the CPU."""
    runtime: Literal["onnxruntime", "executorch"] = "onnxruntime"
    """What runs the artifacts."""


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    # Building one takes milliseconds; a study reads thousands of chains.
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def to_dict(config: object) -> dict[str, Any]:
    """Return `config` (any of the dataclasses of `spaces`) as plain JSON values."""
    dumped: dict[str, Any] = _adapter(type(config)).dump_python(config, mode="json")
    return dumped


def from_dict(kind: type[Config], values: dict[str, Any]) -> Config:
    """Return the `kind` that `to_dict` made into `values`; raises InputError naming all faults."""
    try:
        parsed: Config = _adapter(kind).validate_python(values)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}, got {fault['input']!r}"
            for fault in error.errors()
        )
        raise InputError(f"not a valid {kind.__name__}: {faults}") from error
    return parsed


def canonical_json(value: object) -> str:
    """Return `value` as JSON with sorted keys and numbers that do not depend on how they were made.

    Floats are rounded to 10 significant digits and whole ones written as integers, so 0.1 + 0.2
    and 0.3, or 4 and 4.0, are the same setting.
    """
    return json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _canonical(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and not isinstance(value, bool):
        rounded = float(f"{value:.10g}")
        return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded
    return value


def digest(*parts: object) -> str:
    """Return the SHA-256 (hex) over the canonical JSON of `parts`."""
    return hashlib.sha256(canonical_json(list(parts)).encode()).hexdigest()


@lru_cache(maxsize=2**16)
def student_key(student: StudentConfig) -> str:
    """Return the short name (12 hex digits) under which a study knows a student."""
    return digest(to_dict(student))[:12]
