"""Where images come from: the embedded digits, torchvision's sets, a folder of the user's."""

import contextlib
import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from objectives.data.decoding import Decoder
from objectives.data.image_folders import open_image_folder, with_validation
from objectives.data.images import IMAGENET_MEAN, IMAGENET_STD, Images, ImageSet
from objectives.users_files import check_is_file, decoding, reason_of
from spaces import Channels, DataConfig, InputError, UnknownNameError, check_class_names

Split = Literal["train", "test"]

_CHUNK = 2048


@dataclass(frozen=True)
class _TorchvisionSet:
    """How torchvision spells one data set."""

    cls: str
    splits: Mapping[Split, Mapping[str, Any]]
    mirror: bool = False
    mean: Channels = IMAGENET_MEAN
    std: Channels = IMAGENET_STD


_TRAIN_FLAG: Mapping[Split, Mapping[str, Any]] = {
    "train": {"train": True},
    "test": {"train": False},
}
_SPLIT_NAME: Mapping[Split, Mapping[str, Any]] = {
    "train": {"split": "train"},
    "test": {"split": "test"},
}

_TORCHVISION_SETS: Mapping[str, _TorchvisionSet] = MappingProxyType(
    {
        # Mean and deviation as the public CIFAR checkpoints were trained with.
        "cifar10": _TorchvisionSet(
            "CIFAR10", _TRAIN_FLAG, True, (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
        ),
        "cifar100": _TorchvisionSet(
            "CIFAR100", _TRAIN_FLAG, True, (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)
        ),
        "mnist": _TorchvisionSet("MNIST", _TRAIN_FLAG),
        "fashion_mnist": _TorchvisionSet("FashionMNIST", _TRAIN_FLAG, mirror=True),
        "kmnist": _TorchvisionSet("KMNIST", _TRAIN_FLAG),
        "svhn": _TorchvisionSet("SVHN", _SPLIT_NAME),
        "stl10": _TorchvisionSet("STL10", _SPLIT_NAME, mirror=True),
        "food101": _TorchvisionSet("Food101", _SPLIT_NAME, mirror=True),
        "gtsrb": _TorchvisionSet("GTSRB", _SPLIT_NAME),
        "flowers102": _TorchvisionSet("Flowers102", _SPLIT_NAME, mirror=True),
        "oxford_pets": _TorchvisionSet(
            "OxfordIIITPet",
            {"train": {"split": "trainval"}, "test": {"split": "test"}},
            mirror=True,
        ),
    }
)

KNOWN_SETS = ("digits", *_TORCHVISION_SETS, "imagefolder:PATH")


def open_image_set(config: DataConfig) -> ImageSet:
    """Return the set `config.name` names, downloaded into `config.root` when it is not there.

    Its classes are in the order that `config` asks for, and its validation images are those that
    `config` names. Raises UnknownNameError, or InputError when anything of it is not there.
    """
    found = _named_set(config)
    if config.validation is not None:
        path = Path(config.validation).expanduser()
        found = with_validation(found, path, found.decoder or _decoder(config))
    if config.classes is None:
        return found
    classes = _class_names(config.classes)
    train, validation, test = (
        None if images is None else images.in_order(classes)
        for images in (found.train, found.validation, found.test)
    )
    assert train is not None
    return replace(found, train=train, validation=validation, test=test)


def _named_set(config: DataConfig) -> ImageSet:
    if config.name == "digits":
        return _digits(config.image_size)
    if config.name.startswith("imagefolder:"):
        path = Path(config.name.removeprefix("imagefolder:")).expanduser()
        return open_image_folder(path, _decoder(config))
    if config.name in _TORCHVISION_SETS:
        return _torchvision_set(config)
    raise UnknownNameError("data set", config.name, KNOWN_SETS)


def _decoder(config: DataConfig) -> Decoder:
    return Decoder(config.image_size, config.white_level)


def _class_names(classes: tuple[str, ...] | str) -> tuple[str, ...]:
    """Return class names as they are, or the lines of the text file that they are in."""
    if not isinstance(classes, str):
        return classes
    path = Path(classes).expanduser()
    try:
        with decoding():
            check_is_file(path)
            lines = path.read_text("utf-8-sig").splitlines()
    except InputError as error:
        raise InputError(
            f"[data] classes = {path} must be a text file with one class a line: {error}"
        ) from error
    names = tuple(line.strip() for line in lines if line.strip())
    check_class_names(f"the lines of {path}", names)
    return names


def _digits(image_size: int) -> ImageSet:
    """scikit-learn's 1,797 handwritten digits: 8x8, grey levels 0 to 16."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = torch.from_numpy(np.round(digits.images * (255 / 16)).astype(np.uint8))
    images = _resize(grey[:, None].expand(-1, 3, -1, -1), image_size)
    labels = digits.target.astype(np.int64)
    # Mean and deviation of all 1,797 images at their own size.
    grey_mean, grey_std = (3 * (0.3053,), 3 * (0.3760,))
    names = tuple(str(name) for name in digits.target_names)
    return ImageSet(_in_memory(images, labels, names), None, grey_mean, grey_std, mirror=False)


def _torchvision_set(config: DataConfig) -> ImageSet:
    known = _TORCHVISION_SETS[config.name]
    decoder = _decoder(config)
    train, test = (
        _torchvision_images(_torchvision_split(config, known, split), decoder)
        for split in ("train", "test")
    )
    return ImageSet(train, test, known.mean, known.std, known.mirror, decoder=decoder)


def _torchvision_split(config: DataConfig, known: _TorchvisionSet, split: Split) -> Any:
    from torchvision import datasets

    make = getattr(datasets, known.cls)
    arguments = known.splits[split]
    with contextlib.redirect_stdout(io.StringIO()):  # torchvision prints where it looked
        with contextlib.suppress(Exception):  # Missing, or damaged in any way: below it is told.
            return make(config.root, **arguments, download=False)
        root = Path(config.root)
        missing = [folder for folder in (root, *root.parents) if not folder.exists()]
        try:
            return make(config.root, **arguments, download=True)
        except Exception as error:  # any way a download can fail is news to the user
            if missing:
                shutil.rmtree(root, ignore_errors=True)
            for folder in missing[1:]:
                with contextlib.suppress(OSError):  # Something else lies there by now.
                    folder.rmdir()
            raise InputError(
                f"data set {config.name} is neither in {root.resolve()} nor can it be "
                f"downloaded ({reason_of(error)}): put torchvision's {known.cls} files there, or "
                "choose digits, which needs no download"
            ) from error


def _torchvision_images(dataset: Any, decoder: Decoder) -> Images:
    labels = _labels(dataset)
    classes = getattr(dataset, "classes", None) or range(int(labels.max()) + 1)
    names = tuple(str(name) for name in classes)
    data = getattr(dataset, "data", None)
    if data is None:  # files on disk, read one by one
        return Images(
            labels,
            names,
            lambda chosen: decoder.read(
                lambda index: dataset[index][0],
                lambda index: f"image {index} of torchvision's {type(dataset).__name__}",
                chosen.tolist(),
            ),
        )
    array = torch.as_tensor(data)
    if array.ndim == 3:
        array = array[:, None].expand(-1, 3, -1, -1)
    elif array.shape[-1] == 3:
        array = array.permute(0, 3, 1, 2)
    return _in_memory(array, labels, names, decoder.image_size)


def _labels(dataset: Any) -> NDArray[np.int64]:
    """Labels stand under one of four names in torchvision's sets."""
    for name in ("targets", "labels", "_labels", "_samples"):
        found = getattr(dataset, name, None)
        if found is not None:
            pairs = name == "_samples"
            return np.asarray([label for _, label in found] if pairs else found, dtype=np.int64)
    raise InputError(f"{type(dataset).__name__} of torchvision gives no labels")


def _in_memory(
    images: Tensor, labels: NDArray[np.int64], classes: tuple[str, ...], image_size: int = 0
) -> Images:
    def read(chosen: NDArray[np.int64]) -> Tensor:
        taken = images[torch.from_numpy(chosen)]
        return _resize(taken, image_size) if image_size else taken.contiguous()

    return Images(labels, classes, read)


def _resize(images: Tensor, image_size: int) -> Tensor:
    """Resize uint8 [n, c, h, w] bilinearly, a chunk at a time to bound the memory of floats."""
    if images.shape[-2:] == (image_size, image_size):
        return images.contiguous()
    sized = [
        interpolate(
            chunk.float(), (image_size, image_size), mode="bilinear", antialias=True
        ).round()
        for chunk in torch.split(images, _CHUNK)
    ]
    return torch.cat([chunk.clamp(0, 255).to(torch.uint8) for chunk in sized])
