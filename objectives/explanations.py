"""What networks say of single images, and where they look: plain arrays, for pictures."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Look:
    """What one float network says of one image."""

    predicted: str
    """Name of the class."""
    confidence: float
    """Its probability."""
    right: bool
    heat: NDArray[np.float32]
    """[side, side] in [0, 1]: how much each place speaks for the predicted class."""


@dataclass(frozen=True)
class ExplainedImage:
    """One image of the test split as the teacher and some students see it."""

    position: int
    """In the test split."""
    label: str
    """Name of its class."""
    pixels: NDArray[np.uint8]
    """[h, w, 3]."""
    teacher: Look
    students: Mapping[str, Look]


@dataclass(frozen=True)
class Explanations:
    """Images as teacher and students see them."""

    images: tuple[ExplainedImage, ...]
    missing: tuple[str, ...]
    """Students whose weights are no longer in the stage cache."""
