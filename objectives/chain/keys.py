"""Under what a stage is cached: everything that changes its bits, and nothing else."""

import importlib.metadata
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import get_args

import torch

from objectives.chain.codes import CODES_VERSION
from objectives.chain.handlers import handler_of
from objectives.chain.inputs import file_digest
from objectives.chain.teacher import ENSEMBLE_VERSION, LOGITS_VERSION, TEACHER_VERSION
from objectives.data import Data, RecordedImages, load_data
from objectives.models import pretrained_file, source_files
from spaces import (
    NO_WEIGHTS,
    OWN_TEACHER,
    BitsByLayer,
    Ensemble,
    InputError,
    LoadTeacher,
    Network,
    Scheme,
    StudentConfig,
    StudySetup,
    TeacherConfig,
    digest,
    essence,
    is_users_function,
)

_IMAGES_ASKED = (*get_args(RecordedImages), "validation", "test")


class StageKeys:
    """The keys of one study's stages (SHA-256, hex). Pruning and paths are not in them."""

    def __init__(self, setup: StudySetup, data: Data) -> None:
        self._setup = setup
        self._teachers: dict[str, str] = {}
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

    def teacher(self, name: str = OWN_TEACHER) -> str:
        """Return the key of one of the study's teachers; raises UnknownNameError."""
        # Once: a file that is overwritten meanwhile is not the one that was loaded.
        if name not in self._teachers:
            made = self._setup.teacher_named(name)
            if isinstance(made, Ensemble):
                members = [self.teacher(each) for each in made.members]
                self._teachers[name] = self._key("ensemble", ENSEMBLE_VERSION, None, members)
            else:
                self._teachers[name] = self._network_teacher(made)
        return self._teachers[name]

    def _network_teacher(self, teacher: TeacherConfig) -> str:
        given = teacher.weights
        weights: dict[str, object]
        if isinstance(given, LoadTeacher):
            weights = {"sha256": file_digest(Path(given.path))}
            if given.part is not None:
                weights["part"] = given.part
        else:
            seed = self._setup.seed if given.seed is None else given.seed
            weights = {**essence(given), "seed": seed}
            if given.pretrained != NO_WEIGHTS:
                weights["pretrained"] = _pretrained(teacher.network, given.pretrained)
            if given.lesson is not None:
                taught_by = self.teacher(given.lesson.teacher)
                weights["lesson"] = [taught_by, essence(given.lesson.method)]
        return self._key("teacher", TEACHER_VERSION, None, _network(teacher.network), weights)

    def teacher_logits(self, images: str, name: str = OWN_TEACHER) -> str:
        """Return the key of a teacher's logits on a split, or on RecordedImages."""
        return self._key("teacher_logits", LOGITS_VERSION, self.teacher(name), images)

    def all_teachers(self) -> tuple[str, ...]:
        """Return the keys of all teachers of the study, and of what they leave."""
        found = []
        for name in (OWN_TEACHER, *(each.name for each in self._setup.teachers)):
            logits = (self.teacher_logits(images, name) for images in _IMAGES_ASKED)
            found += [self.teacher(name), *logits]
        return tuple(found)

    def stage(self, student: StudentConfig) -> str:
        """Return the key of the student's last stage; of the others, ask for its prefixes.

        Where no stage asks the teacher, it does not depend on one.
        """
        stage, before = student.stages[-1], len(student.stages) - 1
        handler = handler_of(stage.kind)
        asks, begins = student.teaching(before).needs_teacher, stage.pretrained
        fresh = before or begins == NO_WEIGHTS
        return self._key(
            stage.kind,
            handler.code_version,
            self.stage(student.prefix(before)) if before else None,
            None if before else _network(student.network),
            self.teacher(student.teacher(before)) if asks else None,
            essence(stage),
            student.seed,
            [importlib.metadata.version(name) for name in handler.libraries],
            *([] if fresh else [self._begins(student.network, begins)]),
        )

    def _begins(self, network: Network, pretrained: str) -> object:
        """Return what tells which weights a first stage begins with."""
        if pretrained == OWN_TEACHER:
            return self.teacher()
        return _pretrained(network, pretrained)

    def codes(self, weights: str, scheme: Scheme) -> str:
        """Return the key of a scheme's learned codes, of weights by the key of their last stage."""
        return self._key(
            "codes",
            CODES_VERSION,
            weights,
            essence(scheme.layout.dense),  # Of which a sparse one has the codes.
            essence(scheme.calibration),
            essence(self._setup.sensitivity) if scheme.layout.kind == BitsByLayer.kind else None,
            importlib.metadata.version("onnxruntime"),
        )

    def _key(self, stage: str, version: int, parent: str | None, *settings: object) -> str:
        return digest(stage, version, parent, self._images, self._arithmetic, *settings)


def keys_of_students(
    setup: StudySetup, students: Iterable[StudentConfig], schemes: Collection[Scheme] = ()
) -> frozenset[str]:
    """Return the keys of all stages of `students`, and of what their teacher leaves.

    schemes: those whose learned codes, of the students and the teacher, belong to them.

    Raises InputError when the study's data, or what else decides the keys, is not here.
    """
    if setup.device == "cuda" and not torch.cuda.is_available():
        raise InputError("it trains on device cuda, and torch finds none here")
    keys = StageKeys(setup, load_data(setup.data))
    prefixes = (prefix for student in students for prefix in student.prefixes)
    found = [*keys.all_teachers(), *map(keys.stage, prefixes)]
    learned = [scheme for scheme in schemes if scheme.calibration.looks_at_layers]
    return frozenset([*found, *(keys.codes(key, scheme) for key in found for scheme in learned)])


def _pretrained(network: Network, name: str) -> object:
    """Return torchvision's weights by name and content."""
    return {"name": name, "sha256": file_digest(pretrained_file(network, name))}


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
