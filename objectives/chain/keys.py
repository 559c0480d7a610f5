"""Under what a stage is cached: everything that changes its bits, and nothing else."""

import hashlib
import importlib.metadata
import inspect
from collections.abc import Iterable
from pathlib import Path

import torch

from objectives.chain.handlers import handler_of
from objectives.chain.teacher import LOGITS_VERSION, TEACHER_VERSION
from objectives.data import Data, load_data
from objectives.models import users_function
from spaces import InputError, LoadTeacher, Network, StudentConfig, StudySetup, digest, essence


class StageKeys:
    """The keys of one study's stages (SHA-256, hex). Pruning and paths are not in them."""

    def __init__(self, setup: StudySetup, data: Data) -> None:
        self._setup = setup
        self._images = {
            "fingerprint": data.fingerprint,
            "augment": data.config.augment,
            "views": data.fixed_views,
            # Decides what the fixed views are, beside the split that the fingerprint covers.
            "split_seed": data.config.split_seed,
        }
        self._arithmetic = {
            "device": _device(setup),
            "threads": setup.threads,
            "number_format": "float32",
            "torch": torch.__version__,
            "torchvision": importlib.metadata.version("torchvision"),
        }

    def teacher(self) -> str:
        """Return the key of the study's teacher."""
        teacher = self._setup.teacher
        if isinstance(teacher.weights, LoadTeacher):
            weights: object = {"sha256": _file_hash(Path(teacher.weights.path))}
        else:
            weights = {**essence(teacher.weights), "seed": self._setup.seed}
        network = _network(teacher.network)
        return self._key("teacher", TEACHER_VERSION, None, network, weights)

    def teacher_logits(self, images: str) -> str:
        """Return the key of the teacher's logits on a split or on the `views`."""
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
    of_teacher = [keys.teacher(), *map(keys.teacher_logits, ("views", "validation", "test"))]
    prefixes = (prefix for student in students for prefix in student.prefixes)
    return frozenset([*of_teacher, *map(keys.stage, prefixes)])


def _network(network: Network) -> object:
    """Return the network with whatever outside code decides what it is."""
    name, settings = network.architecture, essence(network)
    if name.startswith("timm:"):
        return {**settings, "timm": importlib.metadata.version("timm")}
    if ":" in name:
        source = inspect.getsourcefile(users_function(name))
        return {**settings, "source": _file_hash(Path(source)) if source else name}
    return settings


def _device(setup: StudySetup) -> str:
    if setup.device == "cuda":
        return torch.cuda.get_device_name()
    return f"cpu {torch.backends.cpu.get_cpu_capability()}"


def _file_hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
