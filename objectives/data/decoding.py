"""Image files as people see them: upright, in colour, in 8 bits, on white."""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps
from torch import Tensor

from objectives.users_files import check_is_file, decoding
from spaces import InputError, printable

FORMATS = frozenset(
    {"AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP"}
)
"""As Pillow calls them. Of the others, one (EPS) is decoded by running a program of its own."""
_MOST_NAMED = 100
_MOST_PIXELS = 2 * 89_478_485
"""Of an image as it is opened, Pillow's own limit, and of one as it is resized."""


def open_image_file(path: Path) -> Image.Image:
    """Return the image in a file, which is not decoded yet; raises whatever Pillow does.

    Raises InputError for a fifo or a device. Pillow refuses more than 179 million pixels here.
    """
    check_is_file(path)
    return Image.open(path, formats=_formats())


@cache
def _formats() -> list[str]:
    Image.init()
    return sorted(FORMATS.intersection(Image.OPEN))


def shorter_sides(folder: Path, most: int) -> list[int]:
    """Return the shorter sides, in pixels, of the first images in and below `folder`."""
    sides: list[int] = []
    for path in sorted(folder.rglob("*")):
        # What is no image is passed over: which files are none, the data set says.
        with suppress(InputError), decoding(), open_image_file(path) as image:
            sides.append(min(image.size))
        if len(sides) == most:
            break
    return sides


@dataclass
class Decoder:
    """Reads image files, and remembers faults and choices that the user should know of."""

    image_size: int
    white_level: float | None = None
    """White in grey of more than 8 bits; None: the greatest level, 1 in floats."""
    unreadable: list[str] = field(default_factory=list)
    """Each image that could not be read, with the reason."""
    transparent: int = 0
    """Images that are transparent somewhere."""
    deep: int = 0
    """Images of more than 8 bits of grey."""
    brightest: float = 0.0
    """Of those, as a share of white."""

    def read(
        self,
        open_image: Callable[[int], Image.Image],
        called: Callable[[int], str],
        chosen: Sequence[int],
    ) -> Tensor:
        """Return uint8 images [len(chosen), 3, image_size, image_size]; `check` tells the faults.

        called: how the image of an index is named to the user. The shorter side becomes image_size
        and the middle is kept, so nothing is distorted. Of an animation the first frame is taken.
        """
        from torchvision.transforms.v2.functional import center_crop, pil_to_tensor, resize

        size = [self.image_size]
        images = torch.zeros((len(chosen), 3, *size, *size), dtype=torch.uint8)
        for position, index in enumerate(chosen):
            try:
                with decoding(), open_image(index) as image:
                    self._check_shape(image)
                    seen = pil_to_tensor(self._as_seen(image))
                    images[position] = center_crop(resize(seen, size, antialias=True), size)
            except InputError as error:
                self.unreadable.append(f"{printable(called(index))} ({error})")
        return images

    def check(self) -> None:
        """Raise InputError with every image that could not be read."""
        if not self.unreadable:
            return
        named, more = self.unreadable[:_MOST_NAMED], len(self.unreadable) - _MOST_NAMED
        words = ", ".join(named) + (f" and {more:,} more" if more > 0 else "")
        what = "1 image" if len(self.unreadable) == 1 else f"{len(self.unreadable):,} images"
        raise InputError(f"{what} cannot be read; mend or remove: {words}")

    @property
    def remarks(self) -> list[str]:
        """What was chosen, in words."""
        said = []
        if self.transparent:
            said.append(f"{self.transparent:,} transparent, shown on white")
        if self.deep:
            said.append(
                f"{self.deep:,} in grey of more than 8 bits, the brightest pixel at "
                f"{100 * self.brightest:.0f} % of white ([data] white_level sets another)"
            )
        return said

    def _check_shape(self, image: Image.Image) -> None:
        """Refuse what would be resized to more pixels than an image may have."""
        short, long = sorted(image.size)
        if self.image_size**2 * long > _MOST_PIXELS * short:
            raise InputError(f"{image.width} x {image.height} pixels are too narrow to be resized")

    def _as_seen(self, image: Image.Image) -> Image.Image:
        """Return what a viewer would show, as RGB."""
        with _silent_libtiff() if image.format == "TIFF" else nullcontext():
            image.load()
        with suppress(Exception):  # Metadata that cannot be read do not make an image unreadable.
            ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith("I") or image.mode == "F":
            return self._in_8_bits(image).convert("RGB")
        if image.has_transparency_data:
            colours = image.convert("RGBA")
            self.transparent += colours.getchannel("A").getextrema() != (255, 255)
            white = Image.new("RGBA", colours.size, "white")
            return Image.alpha_composite(white, colours).convert("RGB")
        if image.mode == "CMYK" and (profile := image.info.get("icc_profile")):
            with suppress(Exception):  # A broken profile is as good as none.
                return _printed(image, profile)
        return image.convert("RGB")

    def _in_8_bits(self, image: Image.Image) -> Image.Image:
        """Return 16-bit or float grey as "L": all of its range, not what clipping leaves of it."""
        levels = np.asarray(image)
        white = self.white_level or (1.0 if image.mode == "F" else 65535.0)
        low, high = float(levels.min()), float(levels.max())
        if not (low >= 0 and high <= white):  # NaN is neither
            raise ValueError(
                f"grey levels of {low:g} to {high:g}, expected 0 to {white:g}: [data] white_level"
            )
        self.deep += 1
        self.brightest = max(self.brightest, high / white)
        return Image.fromarray(np.round(levels * (255.0 / white)).astype(np.uint8))


def _printed(image: Image.Image, profile: bytes) -> Image.Image:
    """Return the colours that inks have by the image's own profile."""
    inks = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    shown = ImageCms.profileToProfile(image, inks, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert shown is not None  # only in place it is
    return shown


@contextmanager
def _silent_libtiff() -> Iterator[None]:
    """Let libtiff not write what it thinks of a file to standard error, past Python and Pillow."""
    with Path(os.devnull).open("w") as nowhere, os.fdopen(os.dup(2), "w") as kept:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept.fileno(), 2)
