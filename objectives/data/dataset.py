"""The images of a study in memory: split, normalised, augmented."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from objectives.data.augmentation import augmentation_for
from objectives.data.image_sets import Channels, Images, open_image_set
from objectives.seeding import generator
from spaces import DataConfig, InputError

SplitName = Literal["train", "validation", "test"]
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
class Batch:
    """What one training step sees."""

    images: Tensor
    """Normalised float32 [b, 3, h, w], channels_last."""
    labels: Tensor
    """int64 [b]."""
    positions: Tensor
    """int64 [b]: where the images stand in the training split."""


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

    def tensor(self, split: SplitName, device: Device) -> Tensor:
        """Return a split's normalised images on `device`, channels_last."""
        return self.normalise(self.splits[split].images.to(device))

    def normalise(self, images: Tensor) -> Tensor:
        """Turn uint8 [n, 3, h, w] into what networks see: float32, channels_last."""
        scale, offset = self._affine(images.device)
        return images.to(torch.float32, memory_format=torch.channels_last).mul_(scale).add_(offset)

    def view(self, number: int) -> Tensor:
        """Return fixed view `number` of the training split, uint8; 0 is not special."""
        images = self.splits["train"].images
        if not self.config.augment:
            return images
        augment = augmentation_for(self.config.image_size, mirror=self.mirror)
        return augment(images, generator("view", self.config.split_seed, number))

    @property
    def fixed_views(self) -> int:
        """How many views training goes round in; 0 when every epoch draws its own."""
        return self.config.views if self.config.augment else 1

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
        chosen = _stratified(
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


class TrainingImages:
    """The training split on its device, given out in batches."""

    def __init__(self, data: Data, device: Device) -> None:
        train = data.splits["train"]
        self._data = data
        self._images = train.images.to(device)
        self._labels = train.labels.to(device)
        self._views: dict[int, Tensor] = {}
        self._augment = augmentation_for(data.config.image_size, mirror=data.mirror)

    def __len__(self) -> int:
        return len(self._labels)

    def steps(self, batch_size: int) -> int:
        """Return how many batches `batches` yields."""
        full, left = divmod(len(self), batch_size)
        return full + (left > 1)

    def view_of_epoch(self, epoch: int) -> int | None:
        """Return which fixed view `epoch` (from 1) shows; None when it draws its own."""
        views = self._data.fixed_views
        return (epoch - 1) % views if views else None

    def batches(self, epoch: int, batch_size: int, draws: torch.Generator) -> Iterator[Batch]:
        """Yield one epoch's batches in an order (and with shifts) taken from `draws`.

        A last batch of a single image is left out: batch norm cannot learn from one.
        """
        view = self.view_of_epoch(epoch)
        images = self._images if view is None else self._view(view)
        order = torch.randperm(len(self), generator=draws)
        for chosen in torch.split(order, batch_size):
            if len(chosen) < 2:
                return
            positions = chosen.to(images.device)
            batch = images[positions]
            if view is None:
                batch = self._augment(batch, draws)
            yield Batch(self._data.normalise(batch), self._labels[positions], positions)

    def _view(self, number: int) -> Tensor:
        if number not in self._views:
            self._views[number] = self._data.view(number).to(self._images.device)
        return self._views[number]


def load_data(config: DataConfig) -> Data:
    """Return the data of `config`, the same for the same config.

    Training, validation and (where the set has none) test images are split stratified by class.
    Raises InputError when the set is not there, or too small for the split.
    """
    found = open_image_set(config)
    pool = np.arange(len(found.train.labels))
    seed = config.split_seed
    if found.test is None:
        pool, test = _held_back(pool, found.train.labels, config.test_fraction, seed, "test")
    else:
        test = np.arange(len(found.test.labels))
    train, validation = _held_back(
        pool, found.train.labels, config.validation_fraction, seed, "validation"
    )
    from_test = found.train if found.test is None else found.test
    chosen: dict[SplitName, tuple[Images, NDArray[np.int64], int | None]] = {
        "train": (found.train, train, config.train_limit),
        "validation": (found.train, validation, config.validation_limit),
        "test": (from_test, test, config.test_limit),
    }
    splits = {
        name: _read_split(images, indices, limit, config, name)
        for name, (images, indices, limit) in chosen.items()
    }
    return Data(config, found.train.classes, found.mean, found.std, found.mirror, splits)


def _read_split(
    images: Images,
    indices: NDArray[np.int64],
    limit: int | None,
    config: DataConfig,
    name: SplitName,
) -> Split:
    if limit is not None and limit < len(indices):
        indices = _stratified(indices, images.labels[indices], limit, config.split_seed, name)
    size_bytes = len(indices) * 3 * config.image_size**2
    if size_bytes > _MOST_BYTES:
        raise InputError(
            f"the {name} split takes {size_bytes / 2**30:.1f} GiB in memory, at most "
            f"{_MOST_BYTES // 2**30} are possible: set data.{name}_limit or a smaller image_size"
        )
    return Split(images.read(indices), torch.from_numpy(images.labels[indices]))


def _held_back(
    pool: NDArray[np.int64], labels: NDArray[np.int64], fraction: float, seed: int, purpose: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split `pool` into what stays and the share `fraction`, both ascending."""
    wanted = round(fraction * len(pool))
    taken = _stratified(pool, labels[pool], wanted, seed, purpose)
    return np.setdiff1d(pool, taken), taken


def _stratified(
    indices: NDArray[np.int64], labels: NDArray[np.int64], wanted: int, seed: int, purpose: str
) -> NDArray[np.int64]:
    """Return `wanted` of `indices`, ascending, every class by its share (largest remainders).

    scikit-learn's splits refuse a class with one member, and their draws are not promised to stay
    the same between versions; a study's split must.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if wanted < 1 or wanted > len(indices):
        raise InputError(f"the {purpose} split cannot take {wanted} of {len(indices)} images")
    exact = counts * (wanted / len(indices))
    shares = np.floor(exact).astype(np.int64)
    remainders = np.argsort(shares - exact, kind="stable")
    shares[remainders[: wanted - shares.sum()]] += 1
    draws = generator("split", purpose, seed)
    taken = [
        members[torch.randperm(len(members), generator=draws).numpy()[:share]]
        for members, share in zip(
            (indices[labels == label] for label in classes), shares, strict=True
        )
    ]
    return np.sort(np.concatenate(taken))
