"""The study file that somebody begins with: what matters most, written out and explained."""

import json
from typing import Literal

from spaces.network import Network

_FILE = """\
# Made by search.new: {found}.
# docs/study_file.md has every key; search.run --dry-run says what this file comes to.
name = {name}
trials = 40                    # sampled trials in all
workers = 1                    # processes that run them

[data]
name = {data}
image_size = {image_size}                # pixels a side, as the images are held; {sizes}

[teacher]
architecture = {architecture}
stem = "{teachers_stem}"              # small: for images of up to about 64 pixels{unsure}
{weights}
[space.network]                # a list is searched, one value is settled
architecture = ["mobilenet_v2"]
width = [0.25, 0.5, 0.75, 1.0]
stem = "{stem}"

[space.distill]
epochs = 20                    # of every student; the longer, the better and the dearer

[space.adapt]
epochs = 5
rank = [0, 4, 8, 16]           # at 0 a student is not adapted

[bounds]
accuracy_of_teacher = 0.9      # below it a point is worth nothing
# size_of_teacher = 0.25       # these can be set too, or size_mb = 2.0
# latency_of_teacher = 0.5     # or latency_ms = 10.0
"""
_TRAINING = """
[teacher.training]             # it has no weights yet; with a file: weights = "teacher.pth"
epochs = 30
learning_rate = 0.002
"""
_SMALL_IMAGES = 64


def stem_for(image_size: int) -> Literal["imagenet", "small"]:
    """Return the stem of a network for images of so many pixels a side."""
    return "small" if image_size <= _SMALL_IMAGES else "imagenet"


def first_study(
    name: str,
    data: str,
    image_size: int,
    teacher: Network,
    weights: str | None,
    *,
    found: str,
    sizes: str,
) -> str:
    """Return a study file as text.

    weights: the teacher's file; None: it is trained. found, sizes: what the images were seen to be,
    in words.
    """
    return _FILE.format(
        found=found,
        name=_text(name),
        data=_text(data),
        image_size=image_size,
        sizes=sizes,
        architecture=_text(teacher.architecture),
        teachers_stem=teacher.stem,
        unsure="" if weights is None else "; try both, some weights fit either",
        weights=_TRAINING if weights is None else f"weights = {_text(weights)}\n",
        stem=stem_for(image_size),
    )


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # Strings of JSON are strings of TOML.
