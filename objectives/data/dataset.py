"""The images of a study in memory: split, normalised, augmented."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from objectives.data.augmentation import Augmentation, augmentation_for
from objectives.data.image_sets import open_image_set
from objectives.data.images import Images, SplitName
from objectives.data.normalisation import normalisation_of
from objectives.data.splits import split_images, stratified
from objectives.seeding import generator
from spaces import Channels, DataConfig, InputError

Device = Literal["cpu", "cuda"]

_MOST_BYTES = 8 * 2**30


@dataclass(frozen=True)
class Split:
    """Labelled images of one split, in a fixed order."""

    images: Tensor
    """uint8 [n, 3, h, w]."""
    labels: Tensor
    """int64 [n]."""


@dataclass(frozen=True)
class Data:
    """A data set split for a study; everything is decided by its config and the set's bytes."""

    config: DataConfig
    class_names: tuple[str, ...]
    mean: Channels
    """Per channel, of pixels in [0, 1]."""
    std: Channels
    mirror: bool
    """True when mirror images keep their class."""
    splits: dict[SplitName, Split]
    normalised_by: str
    """Whose mean and deviation these are, in words."""
    remarks: tuple[str, ...]
    """What the user should know of how the set was taken."""

    @property
    def described(self) -> str:
        """What was found and how it is used, in one line."""
        sizes = {name: self.images_in(name) for name in self.splits}
        shares = ", ".join(f"{size:,} {name}" for name, size in sizes.items())
        return "; ".join(
            [
                f"{self.classes} classes, {sum(sizes.values()):,} images ({shares})",
                self.normalised_by,
                *self.remarks,
            ]
        )

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every split's bytes, the normalisation and the calibration choice."""
        seen = hashlib.sha256(repr((self.class_names, self.mean, self.std, self.mirror)).encode())
        for name, split in self.splits.items():
            seen.update(f"{name}{list(split.images.shape)}".encode())
            seen.update(split.images.numpy().data)
            seen.update(split.labels.numpy().data)
        seen.update(self._calibration_positions.numpy().data)
        return seen.hexdigest()

    def class_counts(self, split: SplitName) -> NDArray[np.int64]:
        """Return how many images of each class a split has, [classes]."""
        return np.bincount(self.labels(split), minlength=self.classes)

    @cached_property
    def class_weights(self) -> Tensor | None:
        """What a batch says of its classes; `balanced`: images / (classes * images of the class).

        Raises InputError when there are not as many weights as classes.
        """
        weights = self.config.class_weights
        if weights is None:
            return None
        if weights == "balanced":
            counts = self.class_counts("train")
            return torch.from_numpy(counts.sum() / (self.classes * counts)).float()
        if len(weights) != self.classes:
            raise InputError(
                f"class_weights must be one a class, {self.classes}, got {len(weights)}"
            )
        return torch.tensor(weights, dtype=torch.float32)

    def labels(self, split: SplitName) -> NDArray[np.int64]:
        """Return the classes of a split's images, [n]."""
        labels: NDArray[np.int64] = self.splits[split].labels.numpy()
        return labels

    def images_in(self, split: SplitName) -> int:
        """Return how many images a split has."""
        return len(self.splits[split].labels)

    def images(self, split: SplitName, image_size: int) -> NDArray[np.float32]:
        """Return a split's normalised images, [n, 3, image_size, image_size], for a runtime."""
        return self._as_array(self.splits[split].images, image_size)

    def calibration(self, image_size: int) -> NDArray[np.float32]:
        """Return the normalised training images that calibrate static layouts, sized likewise."""
        return self._as_array(self.splits["train"].images[self._calibration_positions], image_size)

    @property
    def calibration_classes(self) -> int:
        """Number of classes that the calibration images show."""
        return len(np.unique(self.labels("train")[self._calibration_positions.numpy()]))

    def tensor(self, split: SplitName, device: Device) -> Tensor:
        """Return a split's normalised images on `device`, channels_last."""
        return self.normalise(self.splits[split].images.to(device))

    def normalise(self, images: Tensor) -> Tensor:
        """Turn uint8 [n, 3, h, w] into what networks see: float32, channels_last."""
        scale, offset = self._affine(images.device)
        return images.to(torch.float32, memory_format=torch.channels_last).mul_(scale).add_(offset)

    def view(self, number: int) -> Tensor:
        """Return fixed view `number` of the training split, uint8; 0 is not special."""
        images, augment = self.splits["train"].images, self.augmentation
        if augment is None:
            return images
        return augment(images, generator("view", self.config.split_seed, number))

    @property
    def fixed_views(self) -> int:
        """How many views training goes round in; 0 when every epoch draws its own."""
        return self.config.views if self.augmentation is not None else 1

    @property
    def augmentation(self) -> Augmentation | None:
        """What changes training images at random; None when nothing does."""
        return augmentation_for(self.config, mirror=self.mirror)

    def _as_array(self, images: Tensor, image_size: int) -> NDArray[np.float32]:
        sized = resized(self.normalise(images), image_size)
        array: NDArray[np.float32] = sized.contiguous().numpy()
        return array

    def _affine(self, device: torch.device) -> tuple[Tensor, Tensor]:
        mean, std = torch.tensor([self.mean, self.std], dtype=torch.float64).view(2, 3, 1, 1)
        scale, offset = 1 / (255 * std), -mean / std
        return scale.to(device, torch.float32), offset.to(device, torch.float32)

    @cached_property
    def _calibration_positions(self) -> Tensor:
        labels = self.labels("train")
        wanted = min(self.config.calibration_images, len(labels))
        chosen = stratified(
            np.arange(len(labels)), labels, wanted, self.config.split_seed, "calibration"
        )
        return torch.from_numpy(chosen)


def resized(images: Tensor, image_size: int) -> Tensor:
    """Return float images [n, 3, h, w] at [n, 3, image_size, image_size]; as they are if they fit.

    Bilinear, antialiased: what a network of another input size sees of the images that are held.
    """
    if images.shape[-1] == image_size:
        return images
    sized = interpolate(images, (image_size, image_size), mode="bilinear", antialias=True)
    return sized.contiguous(memory_format=torch.channels_last)


def load_data(config: DataConfig) -> Data:
    """Return the data of `config`, the same for the same config and files.

    Training images, and validation and test images where the set has none, are split stratified by
    class. Raises InputError when the set is not there, cannot be read, or is too small to split.
    """
    found = open_image_set(config)
    parts, remarks = split_images(found, config)
    splits = {name: _read_split(*part, config, name) for name, part in parts.items()}
    if found.decoder is not None:
        found.decoder.check()
        remarks += found.decoder.remarks
    normalisation = normalisation_of(config, found, splits["train"].images)
    return Data(
        config,
        found.train.classes,
        normalisation.mean,
        normalisation.std,
        found.mirror,
        splits,
        normalisation.words,
        (*remarks, *found.remarks),
    )


def _read_split(
    images: Images, indices: NDArray[np.int64], config: DataConfig, name: SplitName
) -> Split:
    size_bytes = len(indices) * 3 * config.image_size**2
    if size_bytes > _MOST_BYTES:
        raise InputError(
            f"the {name} split takes {size_bytes / 2**30:.1f} GiB in memory, at most "
            f"{_MOST_BYTES // 2**30} are possible: set data.{name}_limit or a smaller image_size"
        )
    return Split(images.read(indices), torch.from_numpy(images.labels[indices]))
