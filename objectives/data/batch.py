"""What one training step sees."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Mixed:
    """What was mixed into the images of a batch."""

    labels: Tensor
    """int64 [b]: of the other images."""
    share: float
    """Of the batch's own images, in [0, 1]; the other images have the rest."""


@dataclass(frozen=True)
class Batch:
    """What one training step sees."""

    images: Tensor
    """Normalised float32 [b, 3, h, w], channels_last."""
    labels: Tensor
    """int64 [b]."""
    positions: Tensor
    """int64 [b]: where the images stand in the training split."""
    class_weights: Tensor | None = None
    """float32 [classes]: how much an image counts, with its label, by class; None: all alike."""
    teacher_images: Tensor | None = None
    """What the teacher sees, as `images`; None: the very same."""
    mixed: Mixed | None = None
    """None where every image has one label."""
