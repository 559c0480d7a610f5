"""A point's file layer by layer, from the weights that the stage cache still has."""

import json
import os
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from objectives.chain.artifacts import TEMPLATES
from objectives.chain.cache import StageCache
from objectives.chain.codes import learn_codes
from objectives.chain.handlers.handler import WEIGHTS
from objectives.chain.keys import StageKeys
from objectives.chain.torch_settings import settle_torch
from objectives.data import Data, load_data
from objectives.layer_figures import LayersOfPoint
from objectives.runtimes import examined
from spaces import (
    InputError,
    StudentConfig,
    StudySetup,
    digest,
    essence,
    from_dict,
    scheme_named,
    to_dict,
)

LAYERS_VERSION = 1
"""Raised by whoever changes what is measured, or how."""
_IMAGES = 256
"""Of the validation split, at most, on which losses are found."""


@dataclass(frozen=True)
class PointOfStudy:
    """What a report shows layer by layer."""

    trial: int
    student: StudentConfig | None
    """None of the teacher."""
    scheme: str
    """Its name."""


def layers_of(
    setup: StudySetup,
    cache_dir: Path,
    point: PointOfStudy,
    kept: Path,
    machine: str,
) -> LayersOfPoint:
    """Return a point's figures: what the file `kept` says of them, or else found and put there.

    machine: this one and its onnxruntime, in words; times of another are taken again. Nothing is
    trained. Raises InputError where data or weights are not there, or for a point of fp32.
    """
    scheme = scheme_named(point.scheme)
    if scheme.layout.weight_bits == 32 and not scheme.layout.is_sparse:
        raise InputError(
            f"trial {point.trial} is an fp32 file, which has no before and after: name another"
        )
    settle_torch(setup)
    data = load_data(setup.data)
    keys, cache = StageKeys(setup, data), StageCache(cache_dir / "stages", 2**63)
    key = keys.teacher() if point.student is None else keys.stage(point.student)
    belongs = digest(
        LAYERS_VERSION, key, essence(scheme.layout), essence(scheme.calibration), machine
    )
    if (found := _read(kept, belongs)) is not None:
        return found
    with ExitStack() as leases:
        # A stage is never built here: what the cache lacks is left unfinished.
        entry = cache.obtain(key, lambda _: False, leases)
        if entry is None:
            whose = "the teacher" if point.student is None else f"trial {point.trial}"
            raise InputError(f"the weights of {whose} are not in the stage cache {cache_dir}")
        found = _found(setup, data, cache_dir, point, key, entry.path(WEIGHTS), machine)
    _write(found, kept, belongs)
    return found


def _found(
    setup: StudySetup,
    data: Data,
    cache_dir: Path,
    point: PointOfStudy,
    key: str,
    weights: Path,
    machine: str,
) -> LayersOfPoint:
    network = setup.teacher.network if point.student is None else point.student.deployed
    # Spread over the split, whose images may lie class by class.
    at = np.unique(np.linspace(0, data.images_in("validation") - 1, _IMAGES).astype(np.int64))
    found = examined(
        network,
        data.classes,
        cache_dir / TEMPLATES,
        weights,
        data.calibration(network.image_size),
        data.images("validation", network.image_size)[at],
        data.labels("validation")[at],
        setup.sensitivity,
    )
    scheme = scheme_named(point.scheme)
    if scheme.calibration.looks_at_layers:
        codes = StageKeys(setup, data).codes(key, scheme)
        learn_codes(found.writer, scheme, StageCache(cache_dir / "stages", 2**63), codes)
    return found.layers(point.trial, scheme, machine)


def _read(kept: Path, belongs: str) -> LayersOfPoint | None:
    """Return what a file keeps, None where it is of something else, damaged or not there."""
    with suppress(OSError, ValueError, KeyError, TypeError, InputError):
        held = json.loads(kept.read_text("utf-8"))
        if held["of"] == belongs:
            return from_dict(LayersOfPoint, held["layers"])
    return None


def _write(found: LayersOfPoint, kept: Path, belongs: str) -> None:
    """Keep figures; a folder that cannot be written costs the next report its time alone."""
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        aside = kept.with_name(f".{kept.name}.{os.getpid()}")
        aside.write_text(json.dumps({"of": belongs, "layers": to_dict(found)}), "utf-8")
        aside.replace(kept)
