"""Which known network a checkpoint is of, by the names and shapes of its tensors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from objectives.models.build import build_model, known_models
from objectives.models.state_dicts import fits
from objectives.models.weight_files import read_weight_file, reading
from spaces import InputError, Network

Shapes = dict[str, tuple[int, ...]]
Stem = Literal["imagenet", "small"]

_USUAL = ("resnet", "cifar_resnet", "mobilenet", "efficientnet", "vgg", "densenet")
"""Beginnings of the names that are tried first."""


def recognised(path: Path, classes: int) -> Network:
    """Return the network of `classes` whose tensors those in `path` are.

    Raises InputError when none has them, and when one has all but the head's.
    """
    with reading(path):
        return _recognised(read_weight_file(path), classes)


def _recognised(held: object, classes: int) -> Network:
    nearest = ""
    for name in sorted(known_models(), key=lambda each: not each.startswith(_USUAL)):
        for stem in get_args(Stem):
            network = Network(name, stem=stem)
            try:
                with torch.device("meta"):  # Names and shapes alone, and no values.
                    model = build_model(network, classes)
            except (InputError, RuntimeError, ValueError, TypeError, NotImplementedError):
                break  # It has no such stem, or cannot be built without its values.
            ways = fits(model, held, classes)
            if not ways:
                raise InputError("hold no state dict: expected tensors by name")
            if not ways[0].faults:
                return network
            shapes, found = _shapes(model.state_dict()), _shapes(ways[0].state)
            if shapes.keys() != found.keys():
                break
            if shapes == found:
                nearest = f"; nearest is {name}: {'; '.join(ways[0].faults)}"
            heads = {found[key][0] for key, shape in shapes.items() if shape != found[key]}
            if len(heads) == 1 and _differ_in_heads(shapes, found, classes):
                raise InputError(
                    f"are of a {name} of {heads.pop()} classes, and the images have {classes}: "
                    "give weights that were trained on these classes"
                )
    raise InputError(
        "are of no network that is known by name: --architecture names yours, as timm:NAME or "
        f"module:function{nearest}"
    )


def _differ_in_heads(one: Shapes, other: Shapes, classes: int) -> bool:
    """Say whether tensors differ in the first dimension alone, and only where it is `classes`."""
    return all(
        shape == other[name] or (shape[1:] == other[name][1:] and shape[0] == classes)
        for name, shape in one.items()
    )


def _shapes(state: Mapping[str, Tensor]) -> Shapes:
    """Return shapes by name, without the counters that some files lack."""
    return {
        name: () if value.is_nested else tuple(value.shape)
        for name, value in state.items()
        if not name.endswith("num_batches_tracked")
    }
