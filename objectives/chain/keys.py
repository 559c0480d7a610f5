"""Under what a stage is cached: everything that changes its bits, and nothing else."""

import hashlib
import importlib.metadata
import inspect
from pathlib import Path
from typing import Any, Literal

import torch

from objectives.data import Data
from objectives.models import users_function
from spaces import (
    Architecture,
    Distillation,
    Foundation,
    InputError,
    LoadTeacher,
    LoRA,
    StudentConfig,
    digest,
    to_dict,
)

StageKind = Literal["teacher", "teacher_logits", "distill", "adapt"]

_CODE_VERSIONS: dict[StageKind, int] = {
    "teacher": 1,
    "teacher_logits": 1,
    "distill": 1,
    "adapt": 1,
}
"""Raised by whoever changes what a stage computes: older entries are then no longer found."""


class StageKeys:
    """The keys of one foundation's stages (SHA-256, hex). Pruning and paths are not in them."""

    def __init__(self, foundation: Foundation, data: Data) -> None:
        self._foundation = foundation
        self._images = {
            "fingerprint": data.fingerprint,
            "augment": data.config.augment,
            "views": data.fixed_views,
            # Decides what the fixed views are, beside the split that the fingerprint covers.
            "split_seed": data.config.split_seed,
        }
        self._arithmetic = {
            "device": _device(foundation),
            "threads": foundation.threads,
            "number_format": "float32",
            "torch": torch.__version__,
            "torchvision": importlib.metadata.version("torchvision"),
        }

    def teacher(self) -> str:
        """Return the key of the study's teacher."""
        teacher = self._foundation.teacher
        if isinstance(teacher.weights, LoadTeacher):
            weights: dict[str, Any] = {"sha256": _file_hash(Path(teacher.weights.path))}
        else:
            weights = to_dict(teacher.weights) | {"seed": self._foundation.seed}
        return self._key("teacher", None, self._network(teacher.architecture), weights)

    def teacher_logits(self, images: str) -> str:
        """Return the key of the teacher's logits on a split or on the `views`."""
        return self._key("teacher_logits", self.teacher(), images)

    def distill(self, student: StudentConfig) -> str:
        """Return the key of the distilled student; plain training does not depend on a teacher."""
        return self._key(
            "distill",
            self.teacher() if isinstance(student.method, Distillation) else None,
            self._network(student.architecture),
            to_dict(student.method),
            to_dict(student.schedule),
            student.seed,
        )

    def adapt(self, student: StudentConfig, lora: LoRA) -> str:
        """Return the key of the adapted student."""
        peft = importlib.metadata.version("peft")
        return self._key("adapt", self.distill(student), to_dict(lora), student.seed, peft)

    def _key(self, stage: StageKind, parent: str | None, *settings: object) -> str:
        version = _CODE_VERSIONS[stage]
        return digest(stage, version, parent, self._images, self._arithmetic, *settings)

    @staticmethod
    def _network(architecture: Architecture) -> dict[str, Any]:
        """Return the architecture with whatever outside code decides what it is."""
        name, settings = architecture.name, to_dict(architecture)
        if name.startswith("timm:"):
            return settings | {"timm": importlib.metadata.version("timm")}
        if ":" in name:
            source = inspect.getsourcefile(users_function(name))
            return settings | {"source": _file_hash(Path(source)) if source else name}
        return settings


def _device(foundation: Foundation) -> str:
    if foundation.device == "cuda":
        return torch.cuda.get_device_name()
    return f"cpu {torch.backends.cpu.get_cpu_capability()}"


def _file_hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
