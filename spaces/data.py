"""Which images: the data set, its size and how it is split."""

from dataclasses import dataclass

from spaces.errors import InputError


@dataclass(frozen=True)
class DataConfig:
    """A data set by name, the images' side in pixels and the split's sizes."""

    name: str
    """`digits`, `cifar10`, `cifar100`, another torchvision set, or `imagefolder:PATH`."""
    image_size: int = 32
    """Height and width in pixels that every network sees."""
    root: str = "data"
    """Folder that holds (or receives) a set that is not embedded."""
    validation_fraction: float = 0.2
    """Share of the training images held back for search and stopping."""
    test_fraction: float = 0.2
    """Share held back for the final score, where the set has no test split of its own."""
    train_limit: int | None = None
    """At most this many training images (stratified); None takes all."""
    validation_limit: int | None = None
    """At most this many validation images; None takes all."""
    test_limit: int | None = None
    """At most this many test images; None takes all."""
    calibration_images: int = 128
    """Training images that calibrate static quantization."""
    split_seed: int = 0
    """Seed of the split."""
    augment: bool = True
    """Random shifts (and flips, where mirror images keep their class) in training."""
    views: int = 0
    """Fixed augmented views of each training image, one an epoch in turn, so that the teacher's
    logits are computed once per study; 0 draws anew every epoch and asks the teacher every time."""

    def __post_init__(self) -> None:
        if not 8 <= self.image_size <= 1024:
            raise InputError(f"image_size must be in [8, 1024], got {self.image_size}")
        for what in ("validation_fraction", "test_fraction"):
            if not 0 < getattr(self, what) < 1:
                raise InputError(f"{what} must be in (0, 1), got {getattr(self, what)}")
        if self.views < 0:
            raise InputError(f"views must not be negative, got {self.views}")
        for what in ("train_limit", "validation_limit", "test_limit", "calibration_images"):
            value = getattr(self, what)
            if value is not None and value < 1:
                raise InputError(f"{what} must be at least 1, got {value}")
