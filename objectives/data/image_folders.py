"""Folders of images by class, as people have them."""

import os
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from objectives.data.decoding import FORMATS, Decoder, open_image_file
from objectives.data.images import IMAGENET_MEAN, IMAGENET_STD, Images, ImageSet, SplitName
from objectives.users_files import check_names
from spaces import InputError

_SPLIT_NAMES: dict[str, SplitName] = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "development"), "validation"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
"""In small letters, without signs and a last `set`, `data` or `images`."""
_NOT_THE_USERS = frozenset(
    {"thumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "system volume information"}
)
"""What systems leave in folders, beside what begins with a dot."""


@dataclass
class FolderReader:
    """Takes images from class folders, and remembers what it left."""

    decoder: Decoder
    ignored: Counter[str] = field(default_factory=Counter)
    """Files that were not taken, by ending."""

    def images(self, path: Path) -> Images:
        """Return the images of the class folders in `path`.

        Raises InputError when they are fewer than two, or some hold no image.
        """
        self._count_beside(path)
        folders = _folders(path)
        if len(folders) < 2:
            raise InputError(
                f"{path} holds no images by class: expected two class folders or more, got "
                f"{_names(folders) or 'none'}"
            )
        names = _in_order([folder.name for folder in folders])
        files = {name: self._files(path / name) for name in names}
        if empty := [name for name in names if not files[name]]:
            raise InputError(
                f"{path} holds no images of class {', '.join(empty)}: known endings are "
                f"{', '.join(sorted(_endings()))}; {self.ignored_in_words or 'no other files'}"
            )
        labels = np.repeat(np.arange(len(names)), [len(files[name]) for name in names])
        paths = [each for name in names for each in files[name]]
        return Images(
            labels.astype(np.int64),
            tuple(names),
            lambda chosen: self.decoder.read(
                lambda index: open_image_file(paths[index]),
                lambda index: str(paths[index]),
                chosen.tolist(),
            ),
        )

    @property
    def ignored_in_words(self) -> str:
        """Say how many files were not taken, by ending; empty where none."""
        if not self.ignored:
            return ""
        total = self.ignored.total()
        endings = [
            ending if len(self.ignored) == 1 else f"{count:,} {ending}"
            for ending, count in sorted(self.ignored.items())
        ]
        return f"{total:,} {'file' if total == 1 else 'files'} ignored: {', '.join(endings)}"

    def _files(self, folder: Path) -> list[Path]:
        """Return the image files below `folder`, in the order of torchvision's ImageFolder."""
        taken = []
        for root, folders, names in sorted(os.walk(folder, followlinks=True)):
            below = Path(root)
            if any(map(_is_hidden, below.relative_to(folder).parts)):
                continue
            shown = sorted(name for name in names if not _is_hidden(name))
            check_names(below, [*shown, *(name for name in folders if not _is_hidden(name))])
            for name in shown:
                ending = Path(name).suffix.lower()
                if ending in _endings():
                    taken.append(below / name)
                else:
                    self.ignored[ending or "without ending"] += 1
        return taken

    def _count_beside(self, path: Path) -> None:
        """Count the files of `path` itself: they are of no class."""
        for each in _inside(path):
            if each.is_file():
                ending = each.suffix.lower()
                outside = " outside class folders" if ending in _endings() else ""
                self.ignored[f"{ending or 'without ending'}{outside}"] += 1


def open_image_folder(path: Path, decoder: Decoder) -> ImageSet:
    """Return a folder with one folder a class, or with such folders for train, val and test.

    Raises InputError when it is not there, or is none.
    """
    if not path.is_dir():
        what = "is no folder" if path.exists() else "is not there"
        raise InputError(
            f"data set imagefolder:{path} {what}: expected a folder with one folder of images per "
            "class, or with train/, val/ and test/ folders of such"
        )
    reader = FolderReader(decoder)
    folders = _split_folders(path)
    splits = _read_all(reader, folders or {"train": path})
    train = splits["train"]
    remarks = [reader.ignored_in_words] if reader.ignored else []
    if list(train.classes) != sorted(train.classes):
        remarks.append(f"class folders in the order of numbers: {_some(train.classes)}")
    if folders and (beside := [each.name for each in _folders(path) if _split_of(each) is None]):
        remarks.append(f"folders ignored beside the splits: {_some(beside)}")
    return ImageSet(
        train,
        splits.get("test"),
        IMAGENET_MEAN,
        IMAGENET_STD,
        mirror=False,
        validation=splits.get("validation"),
        decoder=decoder,
        remarks=tuple(remarks),
    )


def _read_all(reader: FolderReader, folders: dict[SplitName, Path]) -> dict[SplitName, Images]:
    """Return the images of each folder; raises InputError with the faults of all."""
    splits: dict[SplitName, Images] = {}
    faults: list[str] = []
    for name in sorted(folders, key=lambda name: name != "train"):  # the others are like train
        try:
            splits[name] = reader.images(folders[name])
            if "train" in splits:
                _check_same_classes(splits["train"], splits[name], folders[name])
        except InputError as error:
            faults.append(str(error))
    if faults:
        raise InputError("; ".join(faults))
    return splits


def with_validation(found: ImageSet, path: Path, decoder: Decoder) -> ImageSet:
    """Return the set with the class folders in `path` as its validation images.

    Raises InputError when they are not there, or of other classes than the set's.
    """
    if not path.is_dir():
        raise InputError(f"[data] validation = {path} is no folder: expected one folder a class")
    reader = FolderReader(decoder)
    images = reader.images(path)
    _check_same_classes(found.train, images, path)
    remarks = [f"{path}: {reader.ignored_in_words}"] if reader.ignored else []
    if found.validation is not None:
        remarks.append(f"{path} validates, the set's own validation images are not used")
    return replace(
        found,
        validation=images.in_order(found.train.classes),
        decoder=decoder,
        remarks=(*found.remarks, *remarks),
    )


def _check_same_classes(train: Images, other: Images, path: Path) -> None:
    """Raise InputError unless `other`, of the folder `path`, has the classes of `train`."""
    missing = sorted(set(train.classes) - set(other.classes))
    further = sorted(set(other.classes) - set(train.classes))
    if missing or further:
        differ = {"lacks": missing, "alone has": further}
        words = (f"{verb} {', '.join(names)}" for verb, names in differ.items() if names)
        raise InputError(
            f"{path} must hold the classes of the training images: it {' and '.join(words)}"
        )


def _split_folders(path: Path) -> dict[SplitName, Path]:
    """Return the folders of splits in `path`; none where it holds class folders itself.

    A folder is one of a split by its name, if it holds folders: `train` may be a vehicle.
    """
    inside = _folders(path)
    found: dict[SplitName, list[Path]] = {}
    for folder in inside:
        split = _split_of(folder)
        if split is not None and _folders(folder):
            found.setdefault(split, []).append(folder)
    taken = sum(map(len, found.values()))
    if taken < len(inside) and (taken < 2 or "train" not in found):
        return {}
    if twice := [each for folders in found.values() if len(folders) > 1 for each in folders]:
        raise InputError(f"{path} has several folders for one split: {_names(twice)}")
    if found and "train" not in found:
        raise InputError(f"{path} has no folder of training images (train/), only {_names(inside)}")
    return {split: folder for split, (folder,) in found.items()}


def _split_of(folder: Path) -> SplitName | None:
    plain = re.sub(r"[\W_]", "", folder.name.lower())
    return _SPLIT_NAMES.get(re.sub(r"(set|data|images)$", "", plain))


def _in_order(names: list[str]) -> list[str]:
    """Return class names sorted: as numbers where all are, as text elsewhere."""
    if all(name.isdecimal() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def _folders(path: Path) -> list[Path]:
    return [each for each in _inside(path) if each.is_dir()]


def _inside(path: Path) -> list[Path]:
    try:
        inside = sorted(each for each in path.iterdir() if not _is_hidden(each.name))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    check_names(path, [each.name for each in inside])
    return inside


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _NOT_THE_USERS


@cache
def _endings() -> frozenset[str]:
    """Return the endings of files that Pillow reads as images here, in small letters."""
    known = Image.registered_extensions()
    return frozenset(ending for ending, form in known.items() if form in FORMATS)


def _names(folders: list[Path]) -> str:
    return ", ".join(folder.name for folder in folders)


def _some(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
