"""Which images: the data set, its size, how it is split, normalised and augmented."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from spaces.errors import InputError
from spaces.settings import SEED, Number, check_numbers

Channels = tuple[float, float, float]
"""A number for each of red, green and blue."""
AugmentName = Literal["none", "shift", "mirror", "crop", "randaugment", "jitter"]
NormalisationName = Literal["dataset", "imagenet", "none"]

_FOLDER = "imagefolder:"
_SHARE = Number(least=0.001, below=1)
_MOST_IMAGES = 100_000_000
_LIMIT = Number(least=1, most=_MOST_IMAGES, whole=True)
_WEIGHT = Number(least=1e-6, most=1e6)


@dataclass(frozen=True)
class DataConfig:
    """A data set by name, the images' side in pixels and the split's sizes."""

    name: str
    """`digits`, `cifar10`, `cifar100`, another torchvision set, or `imagefolder:PATH`."""
    image_size: Annotated[int, Number(least=8, most=1024, whole=True)] = 32
    """Height and width in pixels that every network sees."""
    root: str = "data"
    """Folder that holds (or receives) a set that is not embedded."""
    validation_fraction: Annotated[float, _SHARE] = 0.2
    """Share held back for search and stopping, where the set has no validation images."""
    test_fraction: Annotated[float, _SHARE] = 0.2
    """Share held back for the final score, where the set has no test split of its own."""
    train_limit: Annotated[int | None, _LIMIT] = None
    """At most this many training images (stratified), two a class or more; None takes all."""
    validation_limit: Annotated[int | None, _LIMIT] = None
    """At most this many validation images, one a class or more; None takes all."""
    test_limit: Annotated[int | None, _LIMIT] = None
    """At most this many test images, one a class or more; None takes all."""
    calibration_images: Annotated[int, _LIMIT] = 128
    """Training images that calibrate static quantization."""
    split_seed: Annotated[int, SEED] = 0
    """Seed of the split."""
    augment: bool | AugmentName | tuple[AugmentName, ...] = True
    """Random changes in training: `true` shifts (and mirrors, where mirror images keep their
    class); or by name, one or several in turn: `shift`, `mirror`, `crop`, `randaugment`, `jitter`
    (of colours), `none`. A teacher that is trained here is trained with them."""
    views: Annotated[int, Number(least=0, most=1000, whole=True)] = 0
    """Fixed augmented views of each training image, one an epoch in turn, so that the teacher's
    logits are computed once per study; 0 draws anew every epoch and asks the teacher every time."""
    classes: tuple[str, ...] | str | None = None
    """All class names in the order of the teacher's outputs, or a text file with one a line; None:
    the set's own order, for folders by name, as numbers where all are numbers."""
    validation: str | None = None
    """Folder of validation images, by class; None: the set's own, or a share of its images."""
    held_back_from: Literal["train", "unseen"] | None = None
    """What a split that the set lacks is a share of: its training images, or those of its other
    split, which training does not see; None: `unseen` for a loaded teacher, else `train`."""
    mean: Channels | float | NormalisationName | None = None
    """Normalisation, of pixels in [0, 1]: three numbers or one, with `std`; or for both `dataset`
    (computed from the training images), `imagenet`, or `none` (the network does it); None: the
    set's own, ImageNet's for folders."""
    std: Channels | float | NormalisationName | None = None
    """Deviation, as `mean`."""

    white_level: Annotated[float | None, Number(least=1e-6, most=2**32)] = None
    """Level of white in image files of more than 8 bits of grey, 4095 for cameras of 12 bits; None:
    the greatest there is, 65535, or 1 in floats."""
    class_weights: Literal["balanced"] | tuple[float, ...] | None = None
    """How much an image counts in training with its label, by class in their order; `balanced`: the
    fewer a class has, the more; None: all alike."""

    def __post_init__(self) -> None:
        if self.name.startswith(_FOLDER) and not self.name.removeprefix(_FOLDER).strip():
            raise InputError(f"name must say which folder, as {_FOLDER}PATH, got {self.name!r}")
        check_numbers(self)
        if self.validation is not None and not self.validation.strip():
            raise InputError(f"validation must be a folder, got {self.validation!r}")
        _check_augment(self.augment)
        _check_classes(self.classes)
        _check_statistic("mean", self.mean)
        _check_statistic("std", self.std)
        _check_class_weights(self.class_weights)

    @property
    def augmentations(self) -> Literal[True] | tuple[AugmentName, ...]:
        """What changes training images, in turn; True: what suits the set. Empty: nothing does."""
        if self.augment is True:
            return True
        if not self.augment or self.augment == "none":
            return ()
        return (self.augment,) if isinstance(self.augment, str) else self.augment

    @property
    def normalisation(self) -> NormalisationName | tuple[Channels, Channels] | None:
        """Mean and deviation, or whose; None: the set's own.

        Raises InputError when `mean` and `std` do not go together. A study file's keys are checked
        one by one, so this is not found out when a config is built.
        """
        given = [value for value in (self.mean, self.std) if value is not None]
        names = [value for value in given if isinstance(value, str)]
        if names and names == given and len(set(names)) == 1:
            return names[0]
        if len(given) == 1 or names:
            raise InputError(
                "mean and std must be given together, as numbers or as the same name, got mean "
                f"{_said(self.mean)} and std {_said(self.std)}"
            )
        return (_three(self.mean), _three(self.std)) if given else None


def _said(value: object) -> str:
    return "not set" if value is None else repr(value)


def _three(value: Any) -> Channels:
    if isinstance(value, Sequence):
        red, green, blue = map(float, value)
        return red, green, blue
    return (float(value),) * 3


def _check_augment(value: object) -> None:
    known = get_args(AugmentName)
    names = [value] if isinstance(value, str) else value
    if isinstance(value, bool):
        return
    if (
        not isinstance(names, list | tuple)
        or not names
        or any(name not in known for name in names)
        or len(set(names)) < len(names)
        or ("none" in names and len(names) > 1)
    ):
        raise InputError(
            f"augment must be true, false, or one or several of {', '.join(known)}, got {value!r}"
        )


def _check_classes(value: object) -> None:
    if value is None or (isinstance(value, str) and value.strip()):
        return
    if not isinstance(value, list | tuple) or any(not isinstance(name, str) for name in value):
        raise InputError(
            "classes must be a list of names in quotes, or the path of a text file with one a "
            f"line, got {value!r}"
        )
    check_class_names("classes", value)


def _check_class_weights(value: object) -> None:
    if value is None or value == "balanced":
        return
    if not isinstance(value, list | tuple) or not value or not all(map(_is_number, value)):
        raise InputError(
            f"class_weights must be balanced, or a list of numbers, one a class, got {value!r}"
        )
    for weight in value:
        _WEIGHT.read("class_weights", weight)


def check_class_names(what: str, names: Sequence[str]) -> None:
    """Raise InputError unless `names`, of `what`, are two or more different names."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice or len(names) < 2 or not all(names):
        got = f"{', '.join(map(repr, twice))} twice" if twice else repr(list(names))
        raise InputError(f"{what} must be two or more different names, got {got}")


def _check_statistic(what: Literal["mean", "std"], value: object) -> None:
    if value is None or value in get_args(NormalisationName):
        return
    numbers: Sequence[Any] = value if isinstance(value, list | tuple) else [value] * 3
    if len(numbers) != 3 or not all(map(_is_number, numbers)):
        raise InputError(
            f"{what} must be a number, three (red, green, blue), or one of "
            f"{', '.join(get_args(NormalisationName))}, got {value!r}"
        )
    least = 0 if what == "mean" else 1e-6
    if any(not least <= number <= 1 for number in numbers):
        interval = "[0, 1]" if what == "mean" else "(0, 1]"
        raise InputError(
            f"{what} must be in {interval}, of pixels in [0, 1] (levels of 0 to 255 divided by "
            f"255), got {value!r}"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
