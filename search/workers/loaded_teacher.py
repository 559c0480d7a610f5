"""What a loaded teacher is worth, in words: the first thing to be known of a study that has one."""

import time
from typing import Literal

import numpy as np

from objectives import TrainedStudent, Workbench, doubt_of

_CHEAP_S = 10.0
"""So long the test split may take; longer, and the teacher is scored there with the front."""


def loaded_teacher_in_words(workbench: Workbench, teacher: TrainedStudent) -> str:
    """Return how often the teacher is right, split by split, how it was read, and what is odd.

    What it says of a split is kept: whatever is compared with the teacher asks for it again.
    """
    begun = time.perf_counter()
    words = [_right(workbench, "validation")]
    took_s = time.perf_counter() - begun
    data = workbench.data
    if took_s * data.images_in("test") <= _CHEAP_S * data.images_in("validation"):
        words.append(_right(workbench, "test"))
    told = f"teacher {workbench.setup.teacher.network.key}: right on {' and on '.join(words)}"
    if teacher.remark:
        told += f"; its weights: {teacher.remark}"
    guesses = workbench.teacher_log_probabilities("validation").argmax(1)
    doubt = doubt_of(data.labels("validation"), guesses, data.class_names)
    return told if doubt is None else f"{told}; it is {doubt.words}"


def _right(workbench: Workbench, split: Literal["validation", "test"]) -> str:
    labels = workbench.data.labels(split)
    share = np.mean(workbench.teacher_log_probabilities(split).argmax(1) == labels)
    return f"{100 * share:.1f} % of {len(labels)} {split} images"
