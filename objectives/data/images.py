"""Labelled images of any source, before they are split."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from objectives.data.decoding import Decoder
from spaces import Channels, InputError

SplitName = Literal["train", "validation", "test"]

IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Images:
    """Labelled images that are read when asked for."""

    labels: NDArray[np.int64]
    """Class of every image, [n]."""
    classes: tuple[str, ...]
    """Class names."""
    read: Callable[[NDArray[np.int64]], Tensor]
    """From indices [m] to uint8 images [m, 3, image_size, image_size]."""

    def in_order(self, classes: tuple[str, ...]) -> "Images":
        """Return the same images with their classes in the order of `classes`.

        Raises InputError when `classes` are not exactly those of the images.
        """
        if classes == self.classes:
            return self
        differ = {
            "the set has no class": [name for name in classes if name not in self.classes],
            "left out": [name for name in self.classes if name not in classes],
        }
        if any(differ.values()):
            words = (f"{what} {', '.join(names)}" for what, names in differ.items() if names)
            raise InputError(f"[data] classes must name every class once: {'; '.join(words)}")
        position = {name: number for number, name in enumerate(classes)}
        new_labels = np.array([position[name] for name in self.classes], dtype=np.int64)
        return Images(new_labels[self.labels], classes, self.read)


@dataclass(frozen=True)
class ImageSet:
    """A data set as it comes: with or without validation and test splits of its own."""

    train: Images
    test: Images | None
    mean: Channels
    """Per channel, of pixels in [0, 1]; what every network's input is normalised with."""
    std: Channels
    mirror: bool
    """True when a mirrored image keeps its class."""
    validation: Images | None = None
    decoder: Decoder | None = None
    """What reads the images; None where all are in memory."""
    remarks: tuple[str, ...] = ()
    """What the user should know of how the set was taken."""
