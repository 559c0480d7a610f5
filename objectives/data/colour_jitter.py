"""Random brightness, contrast, saturation and hue, each image by its own draws."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor

_MOST = (0.4, 0.4, 0.4, 0.1)
"""Of brightness, contrast, saturation and hue, at strength 1."""
_CHUNK = 2048
_GREY = (0.2989, 0.587, 0.114)


@dataclass(frozen=True)
class ColourJitter:
    """An Augmentation; at strength 1 torchvision's ColorJitter(0.4, 0.4, 0.4, 0.1)."""

    strength: float = 1.0

    def __call__(self, images: Tensor, draws: Generator) -> Tensor:
        """Return changed copies, as `Augmentation` has it."""
        return ColourChange.drawn(len(images), draws)(images, self.strength)


@dataclass(frozen=True)
class ColourChange:
    """What was drawn for the images of a batch, to be applied at any strength."""

    directions: Tensor
    """[4, n], in [-1, 1): of brightness, contrast, saturation and hue."""
    order: tuple[int, ...]
    """In which they follow each other, of the whole batch."""

    @classmethod
    def drawn(cls, images: int, draws: Generator) -> Self:
        """Draw for so many images, from a CPU generator."""
        directions = 2 * torch.rand(4, images, generator=draws) - 1
        return cls(directions, tuple(torch.randperm(4, generator=draws).tolist()))

    def __call__(self, images: Tensor, strength: float) -> Tensor:
        """Return changed copies of uint8 [n, 3, h, w]; at strength 0 the images themselves."""
        if not strength:
            return images
        # In chunks: the floats of a whole training split would take twenty times its memory.
        directions = torch.split(self.directions.to(images.device), _CHUNK, 1)
        pairs = zip(torch.split(images, _CHUNK), directions, strict=True)
        return torch.cat([self._changed(chunk, its, strength) for chunk, its in pairs])

    def _changed(self, images: Tensor, directions: Tensor, strength: float) -> Tensor:
        steps = (_brightened, _contrasted, _saturated, _hue_turned)
        changed = images / 255
        for kind in self.order:
            amounts = strength * _MOST[kind] * directions[kind].view(-1, 1, 1, 1)
            changed = steps[kind](changed, amounts)
        return (changed * 255).round().to(torch.uint8)


def _brightened(images: Tensor, more: Tensor) -> Tensor:
    return (images * (1 + more)).clamp(0, 1)


def _contrasted(images: Tensor, more: Tensor) -> Tensor:
    mean = _grey(images).mean((1, 2, 3), keepdim=True)
    return (mean + (images - mean) * (1 + more)).clamp(0, 1)


def _saturated(images: Tensor, more: Tensor) -> Tensor:
    grey = _grey(images)
    return (grey + (images - grey) * (1 + more)).clamp(0, 1)


def _hue_turned(images: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue by a share of the circle; value and chroma stay."""
    red, green, blue = images.unbind(1)
    value, least = images.amax(1), images.amin(1)
    chroma = value - least
    scale = torch.where(chroma > 0, chroma, 1)
    hue = torch.where(
        value == red,
        (green - blue) / scale,
        torch.where(value == green, (blue - red) / scale + 2, (red - green) / scale + 4),
    )
    hue = hue + 6 * turn[:, 0]
    # https://en.wikipedia.org/wiki/HSL_and_HSV#HSV_to_RGB_alternative
    places = ((start + hue) % 6 for start in (5, 3, 1))
    parts = [value - chroma * torch.minimum(at, 4 - at).clamp(0, 1) for at in places]
    return torch.stack(parts, 1)


def _grey(images: Tensor) -> Tensor:
    weights = images.new_tensor(_GREY).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)
