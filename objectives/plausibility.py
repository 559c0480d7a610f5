"""Whether a teacher can be right: no better than guessing, or right under another order of classes.

No torch.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Classes = NDArray[np.int64]

_DEVIATIONS = 2.0
"""By how many standard deviations guessing is to be beaten."""
_SURE_DEVIATIONS = 3.0
"""By how many another order must do better before it is the explanation."""
_SURE_IMAGES = 100
"""Of fewer images a weak teacher and a wrong one look alike."""


@dataclass(frozen=True)
class Doubt:
    """Why a teacher cannot be right as it is read, or hardly."""

    words: str
    sure: bool
    """False where the images are too few to tell."""


def doubt_of(labels: Classes, guesses: Classes, class_names: Sequence[str]) -> Doubt | None:
    """Return what is wrong with a teacher that says `guesses` [n] of images of `labels` [n].

    None where nothing is. Guessing is right as often as labels and guesses agree when either is
    shuffled (Cohen 1960). Another order of classes is the explanation when one that is chosen by
    half of the images does better on the other half.
    """
    images, classes = len(labels), len(class_names)
    if not images:
        return None
    right = float(np.mean(labels == guesses))
    said = f"right in {100 * right:.1f} % of {images} images"
    ordered = _right_in_another_order(labels, guesses, classes)
    if ordered is not None:
        outputs = _order(labels, guesses, classes)
        names = [""] * classes
        for label, output in enumerate(outputs):
            names[output] = class_names[label]
        return Doubt(
            f"{said}, and in {100 * ordered:.1f} % when its outputs stand for the classes in "
            f"another order: write [data] classes = {json.dumps(names, ensure_ascii=False)}",
            sure=True,
        )
    shares = [np.bincount(each, minlength=classes) / images for each in (labels, guesses)]
    chance = float(shares[0] @ shares[1])
    if right > chance + _DEVIATIONS * math.sqrt(chance * (1 - chance) / images):
        return None
    return Doubt(
        f"{said}, no better than guessing among {classes} classes: are its weights, its image "
        "size, the order of the classes ([data] classes) and their normalisation ([data] mean and "
        "std) those that it was trained with?",
        sure=images >= _SURE_IMAGES,
    )


def _right_in_another_order(labels: Classes, guesses: Classes, classes: int) -> float | None:
    """Return the share that another order gets right; None where none is surely better."""
    other = np.zeros(len(labels), dtype=bool)
    for chosen_by in (slice(0, None, 2), slice(1, None, 2)):
        judged = np.ones(len(labels), dtype=bool)
        judged[chosen_by] = False
        outputs = _order(labels[chosen_by], guesses[chosen_by], classes)
        other[judged] = outputs[labels[judged]] == guesses[judged]
    plain = labels == guesses
    won, lost = int(np.sum(other & ~plain)), int(np.sum(plain & ~other))
    if won - lost <= _SURE_DEVIATIONS * math.sqrt(won + lost):  # McNemar's test of pairs.
        return None
    return float(np.mean(other))


def _order(labels: Classes, guesses: Classes, classes: int) -> Classes:
    """Return by class the output that stands for it when most images are to be right, [classes]."""
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels, guesses), 1)
    # Where nothing tells, a class keeps its place.
    outputs: Classes = linear_sum_assignment(counts + 0.5 * np.eye(classes), maximize=True)[1]
    return outputs
