"""What a network is judged by: a number in [0, 1] of how often each class is taken for which."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectives.results import Evaluation

Counts = NDArray[np.int64]
"""[true class][predicted class], or images of each class."""


@dataclass(frozen=True)
class Measure:
    """One way to judge; the more the better."""

    words: str
    """What reports call it."""
    field: str
    """Where an Evaluation has it."""
    of: Callable[[Counts], float]
    """From counts [true class][predicted class] to the number."""
    images_worth: Callable[[Counts], int]
    """From images of each class, [classes], to how many images would tell two networks apart as
    surely by accuracy: its paired error is McNemar's on so many."""
    counts_classes_alike: bool = True
    """Whether a rare class counts as much as a frequent one."""


def _accuracy(counts: Counts) -> float:
    return float(counts.trace() / counts.sum())


def _balanced_accuracy(counts: Counts) -> float:
    there = counts.sum(1) > 0
    return float(np.mean(counts.diagonal()[there] / counts.sum(1)[there]))


def _f1(counts: Counts) -> float:
    """Return the mean over classes of 2 right / (true + predicted); 0 of a class in neither."""
    both = counts.sum(0) + counts.sum(1)
    return float(np.mean(2 * counts.diagonal() / np.maximum(both, 1)))


def _all(images: Counts) -> int:
    return int(images.sum())


def _harmonic(images: Counts) -> int:
    """Return c^2 / sum(1 / images of a class).

    The mean of c classes' shares has the mean of their variances over c, where two networks
    disagree on as large a share of every class.
    """
    there = images[images > 0]
    return round(float(len(there) ** 2 / np.sum(1 / there)))


MEASURES: Mapping[str, Measure] = {
    "accuracy": Measure("accuracy", "accuracy", _accuracy, _all, counts_classes_alike=False),
    "balanced_accuracy": Measure("balanced accuracy", "recall", _balanced_accuracy, _harmonic),
    "f1": Measure("F1", "f1", _f1, _harmonic),
}
"""By name, as a study has it first among its objectives."""


def confusion(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> Counts:
    """Return how often each class was taken for which, [true class][predicted class]."""
    counts = np.bincount(labels * classes + predicted, minlength=classes**2)
    return counts.reshape(classes, classes)


def measured(evaluation: Evaluation, measure: str) -> float:
    """Return an evaluation's number by the measure of that name."""
    number: float = getattr(evaluation, MEASURES[measure].field)
    return number
