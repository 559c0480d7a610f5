"""Random shifts and mirror images of a whole batch at once."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor


@dataclass(frozen=True)
class Augmentation:
    """Crop a window of the image's size out of the image with a black border, and mirror half."""

    border: int
    """Pixels added on every side: how far an image can be shifted."""
    mirror: bool
    """Mirror every image left to right with probability 1/2."""

    def __call__(self, images: Tensor, draws: Generator) -> Tensor:
        """Return changed copies of `images`, uint8 [n, 3, h, w]; `draws` is a CPU generator."""
        count, channels, height, width = images.shape
        shifts = torch.randint(0, 2 * self.border + 1, (count, 2), generator=draws)
        rows = torch.arange(height) + shifts[:, :1]
        columns = torch.arange(width)
        if self.mirror:
            mirrored = torch.rand(count, generator=draws) < 0.5
            columns = torch.where(mirrored[:, None], columns.flip(0), columns)
        columns = columns + shifts[:, 1:]
        padded = torch.nn.functional.pad(images, [self.border] * 4)
        # One flat gather per image moves every channel: cheaper than indexing four dimensions.
        flat = rows[:, :, None] * padded.shape[-1] + columns[:, None, :]
        flat = flat.flatten(1).to(images.device)
        picked = padded.flatten(2).gather(2, flat[:, None, :].expand(-1, channels, -1))
        return picked.view(count, channels, height, width)


def augmentation_for(image_size: int, *, mirror: bool) -> Augmentation:
    """Return the usual one: an eighth of the image as border (4 pixels at 32, as for CIFAR)."""
    return Augmentation(border=max(1, image_size // 8), mirror=mirror)
