"""Torchvision's ImageNet weights, in its own cache, as what a network of other classes begins with.

What a network is fed is normalised as the study's data say, also where torchvision normalises
otherwise (GoogLeNet, Inception): it is trained on after this.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import urlopen

import torch
from torch import nn
from torchvision import models as torchvision_models
from torchvision.models import WeightsEnum

from objectives.models.build import initialised_model
from objectives.models.weights import load_weights
from spaces import InputError, Network, in_one_line

_PATIENCE_S = 20.0
"""For an answer from where the weights lie."""


def pretrained_file(network: Network, name: str) -> Path:
    """Return the file of torchvision's weights `name` of a network, downloaded where it is missing.

    It lies where torchvision keeps it: `hub/checkpoints` below TORCH_HOME. Raises InputError, which
    says what there is, where the network has no such weights; and where the file is neither there
    nor to be had, with its place and address.
    """
    url = _weights(network, name).url
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name
    if not path.exists():
        try:
            _download(url, path)
        except (OSError, RuntimeError, HTTPException) as error:
            raise InputError(
                f"pretrained {name}: expected in {path}, where it is not, and it cannot be had "
                f"from {url}: {in_one_line(error)}"
            ) from error
    return path


def load_pretrained(model: nn.Module, network: Network, name: str, classes: int) -> None:
    """Fill `model`, a `network` of `classes`, with torchvision's weights `name`.

    Its classifier stays as it is: all whose shape changes with the number of classes. So it does
    for 1,000 classes, which need not be ImageNet's. Raises InputError as `pretrained_file`, and
    where the file's content is damaged or no whole network.
    """
    path = pretrained_file(network, name)
    categories = len(_weights(network, name).meta["categories"])
    theirs = initialised_model(network, categories, seed=0)
    with _naming(name):
        load_weights(theirs, path, network.key)
    other = model if classes != categories else initialised_model(network, categories + 1, seed=0)
    shapes = {key: value.shape for key, value in other.state_dict().items()}
    state = model.state_dict()
    body = {key: value for key, value in theirs.state_dict().items() if value.shape == shapes[key]}
    # Updated, it keeps the versions of its modules, which some (MNASNet) do not load without.
    state.update(body)
    model.load_state_dict(state)


def _weights(network: Network, name: str) -> WeightsEnum:
    known = torchvision_models.list_models(module=torchvision_models)
    if network.architecture not in known:
        raise InputError(
            f"pretrained {name}: torchvision has weights of its own architectures alone: "
            f"{', '.join(known)}"
        )
    there = torchvision_models.get_model_weights(network.architecture).__members__
    if name not in there:
        raise InputError(f"pretrained {name}: there are {', '.join(there)}")
    if network.width != 1:
        raise InputError(f"pretrained {name}: it is of width 1, got {network.width:g}")
    if network.stem == "small" and _is_resnet(network.architecture):
        raise InputError(
            f"pretrained {name}: it is of stem imagenet, and a small stem is another first "
            "convolution here"
        )
    return there[name]


def _is_resnet(architecture: str) -> bool:
    builder = torchvision_models.get_model_builder(architecture)
    return bool(builder.__module__ == torchvision_models.resnet.__name__)


def _download(url: str, path: Path) -> None:
    with urlopen(url, timeout=_PATIENCE_S):  # torch itself waits for ever. # noqa: S310
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = torch.hub.HASH_REGEX.search(path.name)
    torch.hub.download_url_to_file(
        url, str(path), digest and digest.group(1), progress=sys.stderr.isatty()
    )


@contextmanager
def _naming(name: str) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"pretrained {name}: {error}") from error
