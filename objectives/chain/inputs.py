"""What a study begins with beside its settings, by content: images, weights and the user's code.

No torch, unless a network is a user's or pretrained.
"""

import functools
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from objectives.users_files import check_is_file, decoding
from spaces import (
    NO_WEIGHTS,
    OWN_TEACHER,
    DataConfig,
    InputError,
    LoadTeacher,
    Network,
    Stage,
    StudySetup,
    TrainTeacher,
    digest,
    is_users_function,
)

if TYPE_CHECKING:
    from objectives.data import Data

_IN_FOLDER = "imagefolder:"
_MOST_IN_ROOT = 20_000


@dataclass(frozen=True)
class StudyInput:
    """One thing that decides results and that no setting holds."""

    name: str
    """As messages call it: `train images`, `teacher's weights`."""
    digest: str
    """SHA-256 of its content, hex."""
    place: str
    """Where it lies on this machine."""


def study_inputs(
    setup: StudySetup, networks: Iterable[Network], data: "Data", stages: Iterable[Stage] = ()
) -> tuple[StudyInput, ...]:
    """Return all that students of `networks` and `stages` are made from beside settings."""
    return (*file_inputs(setup, networks, stages), *data_inputs(data))


def file_inputs(
    setup: StudySetup, networks: Iterable[Network], stages: Iterable[Stage] = ()
) -> tuple[StudyInput, ...]:
    """Return weights that are loaded, of teachers and pretrained ones, and the user's code.

    No torch, unless a network is a user's or pretrained. Raises InputError when a file cannot be
    read or a function is not there.
    """
    found, networks, teachers = [], tuple(networks), setup.networks_of_teachers
    for name, teacher in teachers.items():
        if isinstance(teacher.weights, LoadTeacher):
            path = Path(teacher.weights.path)
            whose = "teacher's weights" if name == OWN_TEACHER else f"weights of teacher {name}"
            found.append(StudyInput(whose, file_digest(path), str(path)))
    found += _pretrained(
        [(network, stage.pretrained) for stage in stages for network in networks]
        + [
            (teacher.network, teacher.weights.pretrained)
            for teacher in teachers.values()
            if isinstance(teacher.weights, TrainTeacher)
        ]
    )
    of_teachers = [each.network for each in teachers.values()]
    for name in dict.fromkeys(one.architecture for one in (*of_teachers, *networks)):
        if is_users_function(name):
            from objectives.models import source_files

            files = source_files(name)
            content = digest([file_digest(path) for path in files])
            found.append(StudyInput(f"code of {name}", content, ", ".join(map(str, files))))
    return tuple(found)


def _pretrained(asked: Iterable[tuple[Network, str]]) -> list[StudyInput]:
    """Return torchvision's weights that networks begin with, each file once."""
    found = {}
    for network, name in asked:
        if name not in (NO_WEIGHTS, OWN_TEACHER):
            from objectives.models import pretrained_file

            path, words = pretrained_file(network, name), f"{name} of {network.architecture}"
            found[words] = StudyInput(words, file_digest(path), str(path))
    return list(found.values())


def data_inputs(data: "Data") -> tuple[StudyInput, ...]:
    """Return the images and labels of every split, and the names of the classes in their order."""
    place = data.config.name
    found = [StudyInput("class names", digest(list(data.class_names)), place)]
    for name, split in data.splits.items():
        content = hashlib.sha256(f"{list(split.images.shape)}".encode())
        content.update(split.images.numpy().data)
        content.update(split.labels.numpy().data)
        found.append(StudyInput(f"{name} images", content.hexdigest(), place))
    return tuple(found)


def data_stamp(config: DataConfig) -> str:
    """Return what changes whenever a file of the data does: a digest of names, sizes and times.

    It is quick where reading the images is not: data of an equal stamp need not be read again. A
    copy of the data may have another stamp and the same content. Empty, which says nothing, where
    `root` holds too many files: it may be shared by many sets.
    """
    values = asdict(config)
    embedded = config.name == "digits" or config.name.startswith(_IN_FOLDER)
    paths = [
        Path(value.removeprefix(_IN_FOLDER) or value)
        for name, value in values.items()
        if isinstance(value, str) and value and not (name == "root" and embedded)
    ]
    files = chain.from_iterable(map(_files, paths))
    found = sorted(files if embedded else islice(files, _MOST_IN_ROOT + 1))
    if not embedded and len(found) > _MOST_IN_ROOT:
        return ""
    return digest(values, [[str(file), *_touched(file)] for file in found])


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file; one that was not touched since is not read again."""
    try:
        with decoding():
            check_is_file(path)
            return _digest(path, _touched(path))
    except InputError as error:
        raise InputError(f"{path} cannot be read: {error}") from error


@functools.lru_cache(maxsize=256)
def _digest(path: Path, touched: tuple[int, ...]) -> str:  # noqa: ARG001 - decides what is kept
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _touched(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (file for file in path.rglob("*") if file.is_file())
    elif path.is_file():
        yield path
