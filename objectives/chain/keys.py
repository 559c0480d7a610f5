"""Under what a stage is cached: everything that changes its bits, and nothing else."""

import importlib.metadata
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import get_args

import torch

from objectives.chain.handlers import handler_of
from objectives.chain.inputs import file_digest
from objectives.chain.teacher import LOGITS_VERSION, TEACHER_VERSION
from objectives.data import Data, RecordedImages, load_data
from objectives.models import source_files
from spaces import (
    InputError,
    LoadTeacher,
    Network,
    StudentConfig,
    StudySetup,
    digest,
    essence,
    is_users_function,
)


class StageKeys:
    """The keys of one study's stages (SHA-256, hex). Pruning and paths are not in them."""

    def __init__(self, setup: StudySetup, data: Data) -> None:
        self._setup = setup
        self._images: dict[str, object] = {
            "fingerprint": data.fingerprint,
            # Nothing by name is what false was before there were names.
            "augment": data.config.augmentations or False,
            "views": data.fixed_views,
            # Decides what the fixed views are, beside the split that the fingerprint covers.
            "split_seed": data.config.split_seed,
        }
        # What may be left out is in no key where it is: older ones stay.
        if data.config.class_weights is not None:
            self._images["class_weights"] = data.config.class_weights
        if setup.measure != StudySetup.measure:
            self._images["measure"] = setup.measure
        self._arithmetic = {
            "device": _device(setup),
            "threads": setup.threads,
            "number_format": "float32",
            "torch": torch.__version__,
            "torchvision": importlib.metadata.version("torchvision"),
        }

    def teacher(self) -> str:
        """Return the key of the study's teacher."""
        return self._teacher

    @cached_property
    def _teacher(self) -> str:
        # Once: a file that is overwritten meanwhile is not the one that was loaded.
        teacher = self._setup.teacher
        if isinstance(teacher.weights, LoadTeacher):
            weights: dict[str, object] = {"sha256": file_digest(Path(teacher.weights.path))}
            if teacher.weights.part is not None:
                weights["part"] = teacher.weights.part
        else:
            weights = {**essence(teacher.weights), "seed": self._setup.seed}
        network = _network(teacher.network)
        return self._key("teacher", TEACHER_VERSION, None, network, weights)

    def teacher_logits(self, images: str) -> str:
        """Return the key of the teacher's logits on a split, or on RecordedImages."""
        return self._key("teacher_logits", LOGITS_VERSION, self.teacher(), images)

    def stage(self, student: StudentConfig) -> str:
        """Return the key of the student's last stage; of the others, ask for its prefixes.

        Where no stage asks the teacher, it does not depend on one.
        """
        stage, before = student.stages[-1], len(student.stages) - 1
        handler = handler_of(stage.kind)
        return self._key(
            stage.kind,
            handler.code_version,
            self.stage(student.prefix(before)) if before else None,
            None if before else _network(student.network),
            self.teacher() if student.teaching(before).needs_teacher else None,
            essence(stage),
            student.seed,
            [importlib.metadata.version(name) for name in handler.libraries],
        )

    def _key(self, stage: str, version: int, parent: str | None, *settings: object) -> str:
        return digest(stage, version, parent, self._images, self._arithmetic, *settings)


def keys_of_students(setup: StudySetup, students: Iterable[StudentConfig]) -> frozenset[str]:
    """Return the keys of all stages of `students`, and of what their teacher leaves.

    Raises InputError when the study's data, or what else decides the keys, is not here.
    """
    if setup.device == "cuda" and not torch.cuda.is_available():
        raise InputError("it trains on device cuda, and torch finds none here")
    keys = StageKeys(setup, load_data(setup.data))
    of_teacher = [
        keys.teacher(),
        *map(keys.teacher_logits, (*get_args(RecordedImages), "validation", "test")),
    ]
    prefixes = (prefix for student in students for prefix in student.prefixes)
    return frozenset([*of_teacher, *map(keys.stage, prefixes)])


def _network(network: Network) -> object:
    """Return the network with whatever outside code decides what it is."""
    name, settings = network.architecture, essence(network)
    if name.startswith("timm:"):
        return {**settings, "timm": importlib.metadata.version("timm")}
    if is_users_function(name):
        own, *imported = [file_digest(path) for path in source_files(name)] or [name]
        return {**settings, "source": own, **({"imported": imported} if imported else {})}
    return settings


def _device(setup: StudySetup) -> str:
    if setup.device == "cuda":
        return torch.cuda.get_device_name()
    return f"cpu {torch.backends.cpu.get_cpu_capability()}"
