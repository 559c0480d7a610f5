"""What a study's float networks look at, from the weights that the stage cache still has."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from objectives.chain.cache import StageCache
from objectives.chain.handlers.handler import WEIGHTS
from objectives.chain.keys import StageKeys
from objectives.chain.torch_settings import settle_torch
from objectives.data import Data, load_data, resized
from objectives.explanations import ExplainedImage, Explanations, Look
from objectives.models import loaded_model
from objectives.training import activation_maps, captum_grad_cam, logits_of
from spaces import InputError, Network, StudentConfig, StudySetup

_COMPARED = 200
"""First images of the test split among which those are looked for on which two disagree."""
_DISAGREED, _SHOWN = 3, 6


@dataclass(frozen=True)
class _Seeing:
    """A network with its weights, and what it is."""

    model: nn.Module
    network: Network

    @classmethod
    def of(cls, network: Network, weights: Path, data: Data) -> Self:
        """Return a network with the weights of a cache entry."""
        return cls(loaded_model(network, weights, data.classes), network)


def explain(
    setup: StudySetup,
    cache_dir: Path,
    students: Mapping[str, StudentConfig],
    positions: Sequence[int] = (),
) -> Explanations:
    """Return where the teacher and `students`, by any names, look on images of the test split.

    positions: of the images; without any, up to six of the first 200: three on which the teacher
    and the first student disagree, and the first of further classes. Nothing is trained. Raises
    InputError where data, captum, an image, or the weights of the teacher or of all students are
    not there, or a network has no maps.
    """
    settle_torch(setup)
    data = load_data(setup.data)
    check_explaining(positions, data.images_in("test"))
    keys, cache = StageKeys(setup, data), StageCache(cache_dir / "stages", 2**63)
    with ExitStack() as leases:

        def weights_of(key: str) -> Path | None:
            # A stage is never built here: what the cache lacks is left unfinished.
            entry = cache.obtain(key, lambda _: False, leases)
            return None if entry is None else entry.path(WEIGHTS)

        teachers = weights_of(keys.teacher())
        found = {name: weights_of(keys.stage(student)) for name, student in students.items()}
        there = {name: path for name, path in found.items() if path is not None}
        if teachers is None or not there:
            whose = "the teacher" if teachers is None else ", ".join(students) or "any student"
            raise InputError(f"the weights of {whose} are not in the stage cache {cache_dir}")
        teacher = _Seeing.of(setup.teacher.network, teachers, data)
        seen = {name: _Seeing.of(students[name].deployed, there[name], data) for name in there}
    if not positions:
        positions = _telling(data, teacher, next(iter(seen.values())))
    of_teacher = _looks(teacher, data, positions)
    of_students = {name: _looks(one, data, positions) for name, one in seen.items()}
    pixels, labels = data.splits["test"].images, data.labels("test")
    images = [
        ExplainedImage(
            position,
            data.class_names[labels[position]],
            pixels[position].permute(1, 2, 0).numpy(),
            of_teacher[at],
            {name: looks[at] for name, looks in of_students.items()},
        )
        for at, position in enumerate(positions)
    ]
    return Explanations(tuple(images), tuple(name for name in students if name not in there))


def check_explaining(positions: Sequence[int], images: int) -> None:
    """Raise InputError without captum, or without an image at a position of so many of a split."""
    captum_grad_cam()
    if beyond := [position for position in positions if not 0 <= position < images]:
        raise InputError(
            f"images of the report are positions in the test split, 0 to {images - 1}, "
            f"got {', '.join(map(str, beyond))}"
        )


def _images(data: Data, positions: Sequence[int], network: Network) -> Tensor:
    images = data.splits["test"].images[torch.tensor(positions)]
    return resized(data.normalise(images), network.image_size)


def _telling(data: Data, teacher: _Seeing, student: _Seeing) -> list[int]:
    compared = range(min(_COMPARED, data.images_in("test")))
    one, other = (
        logits_of(each.model, _images(data, compared, each.network)).argmax(1).numpy()
        for each in (teacher, student)
    )
    chosen: list[int] = np.flatnonzero(one != other)[:_DISAGREED].tolist()
    labels = data.labels("test")[: len(compared)]
    firsts = np.unique(labels, return_index=True)[1]
    shown = set(labels[chosen].tolist())
    further = [int(first) for first in np.sort(firsts) if int(labels[first]) not in shown]
    return [*chosen, *further[: _SHOWN - len(chosen)]]


def _looks(seeing: _Seeing, data: Data, positions: Sequence[int]) -> list[Look]:
    network = seeing.network
    try:
        logits, maps = activation_maps(seeing.model, _images(data, positions, network))
    except InputError as error:
        raise InputError(f"{network.key} {error}") from error
    sure, predicted = logits.softmax(1).max(1)
    heats: NDArray[np.float32] = maps.numpy()
    labels = data.labels("test")
    return [
        Look(data.class_names[label], float(confidence), label == labels[position], heat)
        for label, confidence, position, heat in zip(
            predicted.tolist(), sure.tolist(), positions, heats, strict=True
        )
    ]
