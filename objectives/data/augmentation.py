"""Random changes of a whole batch at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log
from typing import Protocol

import torch
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

from objectives.data.colour_jitter import ColourJitter
from objectives.data.randaugment import RandAugment
from spaces import DataConfig

_CHUNK = 2048


class Augmentation(Protocol):
    """Changes images at random."""

    def __call__(self, images: Tensor, draws: Generator) -> Tensor:
        """Return changed copies of `images`, uint8 [n, 3, h, w]; `draws` is a CPU generator."""
        ...


@dataclass(frozen=True)
class ShiftAndMirror:
    """Crop a window of the image's size out of the image with a black border, and mirror half."""

    border: int
    """Pixels added on every side: how far an image can be shifted."""
    mirror: bool
    """Mirror every image left to right with probability 1/2."""

    def __call__(self, images: Tensor, draws: Generator) -> Tensor:
        """Return changed copies, as `Augmentation` has it."""
        count, channels, height, width = images.shape
        shifts = torch.randint(0, 2 * self.border + 1, (count, 2), generator=draws)
        rows = torch.arange(height) + shifts[:, :1]
        columns = torch.arange(width)
        if self.mirror:
            mirrored = torch.rand(count, generator=draws) < 0.5
            columns = torch.where(mirrored[:, None], columns.flip(0), columns)
        columns = columns + shifts[:, 1:]
        padded = pad(images, [self.border] * 4)
        # One flat gather per image moves every channel: cheaper than indexing four dimensions.
        flat = rows[:, :, None] * padded.shape[-1] + columns[:, None, :]
        flat = flat.flatten(1).to(images.device)
        picked = padded.flatten(2).gather(2, flat[:, None, :].expand(-1, channels, -1))
        return picked.view(count, channels, height, width)


@dataclass(frozen=True)
class RandomCrop:
    """Enlarge a window of each image to the image's size (Szegedy et al., arXiv:1409.4842)."""

    least_area: float = 0.25
    """Of the window, as a share of the image; the area is drawn evenly up to all of it."""
    most_stretch: float = 4 / 3
    """Of width over height or height over width, drawn evenly in its logarithm."""

    def __call__(self, images: Tensor, draws: Generator) -> Tensor:
        """Return changed copies, as `Augmentation` has it."""
        area, stretch, left, top = torch.rand(4, len(images), generator=draws)
        area = self.least_area + (1 - self.least_area) * area
        ratio = torch.exp(log(self.most_stretch) * (2 * stretch - 1))
        width, height = ((area * each).sqrt().clamp(max=1) for each in (ratio, 1 / ratio))
        windows = torch.zeros(len(images), 2, 3)
        windows[:, 0, 0], windows[:, 1, 1] = width, height
        windows[:, 0, 2], windows[:, 1, 2] = (
            (2 * left - 1) * (1 - width),
            (2 * top - 1) * (1 - height),
        )
        # In chunks: the floats of a whole training split would take five times its memory.
        pairs = zip(torch.split(images, _CHUNK), torch.split(windows, _CHUNK), strict=True)
        return torch.cat([_enlarged(chunk, window) for chunk, window in pairs])


def _enlarged(images: Tensor, windows: Tensor) -> Tensor:
    """Return the windows [n, 2, 3], affine maps in [-1, 1], of uint8 images [n, 3, h, w]."""
    grid = affine_grid(windows.to(images.device), list(images.shape), align_corners=False)
    enlarged = grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
    return enlarged.round().to(torch.uint8)


@dataclass(frozen=True)
class InTurn:
    """One augmentation after the other."""

    steps: tuple[Augmentation, ...]

    def __call__(self, images: Tensor, draws: Generator) -> Tensor:
        """Return changed copies, as `Augmentation` has it."""
        for step in self.steps:
            images = step(images, draws)
        return images


_NAMED: dict[str, Callable[[int], Augmentation]] = {
    "shift": lambda image_size: ShiftAndMirror(_border(image_size), mirror=False),
    "mirror": lambda _: ShiftAndMirror(0, mirror=True),
    "crop": lambda _: RandomCrop(),
    "randaugment": lambda _: RandAugment(),
    "jitter": lambda _: ColourJitter(),
}
"""By name, for images of a size in pixels."""


def augmentation_for(config: DataConfig, *, mirror: bool) -> Augmentation | None:
    """Return what `config` asks for, None for nothing; mirror: mirror images keep their class."""
    names, size = config.augmentations, config.image_size
    if names is True:
        return ShiftAndMirror(_border(size), mirror=mirror)
    return in_turn(names, size)


def in_turn(names: Sequence[str], image_size: int) -> Augmentation | None:
    """Return the augmentations of these names (AugmentName), one after the other."""
    return InTurn(tuple(_NAMED[name](image_size) for name in names)) if names else None


def _border(image_size: int) -> int:
    """Return the usual one: an eighth of the image (4 pixels at 32, as for CIFAR)."""
    return max(1, image_size // 8)
