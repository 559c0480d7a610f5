"""Pictures of where networks look: each image once as it is, and once a network under its heat."""

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from objectives import Explanations
from reports import words
from reports.advice import advise
from reports.summary import StudySummary
from studies.records import Point

_MOST_STUDENTS = 4
"""That are pictured; beside the teacher more are hard to compare."""
_SIDE_PX = 128
"""Least side of a picture; a small image's pixels are shown as they are, only larger."""
_HEAT = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]])
"""From where nothing speaks for the class to where most does: stops of matplotlib's inferno."""
_COVER = 0.6
"""Share of a picture that the heat is."""


@dataclass(frozen=True)
class Picture:
    """A picture and the words below it."""

    url: str
    title: str
    said: str
    right: bool | None
    """None of the image itself."""


def pictured(summary: StudySummary) -> tuple[Point, ...]:
    """Return points of different students, the one to ship and then the front's, at most four."""
    best = advise(summary).point
    front = [member.point for member in summary.front]
    students: dict[str, Point] = {}
    for point in front if best is None else [best, *front]:
        if point.chain is not None:
            students.setdefault(point.student, point)
    return tuple(students.values())[:_MOST_STUDENTS]


def picture_rows(explanations: Explanations) -> tuple[tuple[Picture, ...], ...]:
    """Return a row of pictures an image: itself, the teacher's, the students'."""
    rows = []
    for image in explanations.images:
        title = f"test image {image.position}"
        pictures = [Picture(plain(image.pixels), title, image.label, None)]
        for who, look in {"teacher": image.teacher, **image.students}.items():
            said = f"{look.predicted}, {words.percent(look.confidence)}"
            pictures.append(Picture(under_heat(image.pixels, look.heat), who, said, look.right))
        rows.append(tuple(pictures))
    return tuple(rows)


def plain(pixels: NDArray[np.uint8]) -> str:
    """Return an image [h, w, 3] as the URL of a PNG."""
    return _url(_enlarged(pixels))


def under_heat(pixels: NDArray[np.uint8], heat: NDArray[np.float32]) -> str:
    """Return an image [h, w, 3] under heat [side, side] in [0, 1], as the URL of a PNG."""
    image = _enlarged(pixels)
    size = (image.shape[1], image.shape[0])
    smooth = np.asarray(Image.fromarray(heat).resize(size, Image.Resampling.BILINEAR))
    stops = np.linspace(0, 1, len(_HEAT))
    colours = np.stack([np.interp(smooth, stops, channel) for channel in _HEAT.T], axis=-1)
    grey = image.mean(axis=-1, keepdims=True)
    return _url(np.round((1 - _COVER) * grey + _COVER * colours).astype(np.uint8))


def _enlarged(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    times = -(-_SIDE_PX // min(pixels.shape[:2]))
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def _url(pixels: NDArray[np.uint8]) -> str:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"
