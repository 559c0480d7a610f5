"""What a loaded teacher is worth, in words: the first thing to be known of a study that has one."""

import time
from typing import Literal

import numpy as np

from objectives import Verdict, Workbench, doubt_of, split_gap_in_words
from spaces import OWN_TEACHER, Network

_Split = Literal["validation", "test"]

_CHEAP_S = 10.0
"""So long the test split may take; longer, and the teacher is scored there with the front."""


def loaded_teacher_in_words(workbench: Workbench, name: str, network: Network) -> tuple[str, ...]:
    """Return how often a teacher is right, split by split, and how it was read; then what is odd.

    network: which it is. What it says of a split is kept: whatever is compared with it asks again.
    """
    data, teacher = workbench.data, workbench.named_teacher(name, lambda _: Verdict.GO_ON)
    called = "teacher" if name == OWN_TEACHER else f"teacher {name}"
    validation, test = data.images_in("validation"), data.images_in("test")
    begun = time.perf_counter()
    shares: dict[_Split, float] = {"validation": _right(workbench, name, "validation")}
    if (time.perf_counter() - begun) * test <= _CHEAP_S * validation:
        shares["test"] = _right(workbench, name, "test")
    scored = " and on ".join(
        f"{100 * share:.1f} % of {data.images_in(split):,} {split} images"
        for split, share in shares.items()
    )
    read = f"; its weights: {teacher.remark}" if teacher.remark else ""
    words = [f"{called} {network.key}: right on {scored}{read}"]
    guesses = workbench.teacher_log_probabilities("validation", name).argmax(1)
    if doubt := doubt_of(data.labels("validation"), guesses, data.class_names):
        words.append(f"the {called} is {doubt.words}")
    if "test" in shares and (
        gap := split_gap_in_words(shares["validation"], shares["test"], validation, test)
    ):
        words.append(gap)
    return tuple(words)


def _right(workbench: Workbench, name: str, split: _Split) -> float:
    guesses = workbench.teacher_log_probabilities(split, name).argmax(1)
    return float(np.mean(guesses == workbench.data.labels(split)))
