"""What a loaded teacher is worth, in words: the first thing to be known of a study that has one."""

import time
from typing import Literal

import numpy as np

from objectives import TrainedStudent, Workbench, doubt_of, split_gap_in_words

_Split = Literal["validation", "test"]

_CHEAP_S = 10.0
"""So long the test split may take; longer, and the teacher is scored there with the front."""


def loaded_teacher_in_words(workbench: Workbench, teacher: TrainedStudent) -> tuple[str, ...]:
    """Return how often the teacher is right, split by split, and how it was read; then what is odd.

    What it says of a split is kept: whatever is compared with the teacher asks for it again.
    """
    data = workbench.data
    validation, test = data.images_in("validation"), data.images_in("test")
    begun = time.perf_counter()
    shares: dict[_Split, float] = {"validation": _right(workbench, "validation")}
    if (time.perf_counter() - begun) * test <= _CHEAP_S * validation:
        shares["test"] = _right(workbench, "test")
    scored = " and on ".join(
        f"{100 * share:.1f} % of {data.images_in(split):,} {split} images"
        for split, share in shares.items()
    )
    read = f"; its weights: {teacher.remark}" if teacher.remark else ""
    words = [f"teacher {workbench.setup.teacher.network.key}: right on {scored}{read}"]
    guesses = workbench.teacher_log_probabilities("validation").argmax(1)
    if doubt := doubt_of(data.labels("validation"), guesses, data.class_names):
        words.append(f"the teacher is {doubt.words}")
    if "test" in shares and (
        gap := split_gap_in_words(shares["validation"], shares["test"], validation, test)
    ):
        words.append(gap)
    return tuple(words)


def _right(workbench: Workbench, split: _Split) -> float:
    guesses = workbench.teacher_log_probabilities(split).argmax(1)
    return float(np.mean(guesses == workbench.data.labels(split)))
