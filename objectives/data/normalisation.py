"""Mean and deviation that the images of a study are normalised with."""

from dataclasses import dataclass

import torch
from torch import Tensor

from objectives.data.images import IMAGENET_MEAN, IMAGENET_STD, ImageSet
from spaces import Channels, DataConfig, InputError

_CHUNK = 2048


@dataclass(frozen=True)
class Normalisation:
    """What is subtracted from pixels in [0, 1], and what they are divided by then."""

    mean: Channels
    std: Channels
    words: str
    """Whose these are."""


def normalisation_of(config: DataConfig, found: ImageSet, training: Tensor) -> Normalisation:
    """Return what `config` asks for; training: uint8 [n, 3, h, w], which `dataset` is taken of.

    Raises InputError when `mean` and `std` do not go together, or the images have no deviation.
    """
    match config.normalisation:
        case None if (found.mean, found.std) != (IMAGENET_MEAN, IMAGENET_STD):
            words = "normalised by the set's own mean and deviation"
            return Normalisation(found.mean, found.std, words)
        case None | "imagenet":
            words = "normalised by ImageNet's mean and deviation"
            return Normalisation(IMAGENET_MEAN, IMAGENET_STD, words)
        case "none":
            words = "not normalised, pixels in [0, 1]"
            return Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), words)
        case "dataset":
            mean, std = statistics(training)
            words = f"normalised by the training images' own {_said(mean, std)}"
            return Normalisation(mean, std, words)
        case mean, std:
            return Normalisation(mean, std, f"normalised by {_said(mean, std)}")


def statistics(images: Tensor) -> tuple[Channels, Channels]:
    """Return mean and deviation of each channel of uint8 [n, 3, h, w], of pixels in [0, 1].

    Computed from counts of the 256 levels, so the order of the images changes nothing. Raises
    InputError when a channel is the same everywhere.
    """
    counts = torch.zeros(3, 256, dtype=torch.float64)
    for chunk in torch.split(images, _CHUNK):
        for channel in range(3):
            counts[channel] += torch.bincount(chunk[:, channel].flatten(), minlength=256)
    levels = torch.linspace(0, 1, 256, dtype=torch.float64)
    shares = counts / counts.sum(1, keepdim=True)
    mean = shares @ levels
    std = (shares * (levels - mean[:, None]) ** 2).sum(1).sqrt()
    if not bool((std > 1e-6).all()):
        raise InputError(
            "the training images have no deviation to be normalised by: a channel is the same "
            "everywhere; give [data] mean and std as numbers"
        )
    return _channels(mean), _channels(std)


def _channels(values: Tensor) -> Channels:
    # Six digits, so that the model card says what was computed with.
    red, green, blue = (round(value, 6) for value in values.tolist())
    return red, green, blue


def _said(mean: Channels, std: Channels) -> str:
    return f"mean {_numbers(mean)} and deviation {_numbers(std)}"


def _numbers(values: Channels) -> str:
    return " ".join(f"{value:.4g}" for value in values)
