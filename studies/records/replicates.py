"""Replicates: a student of the study trained again on another seed, to know its noise.

Each is an attribute of the study and no trial: neither sampler, pruner, budget nor front sees it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna

from studies.records.names import StudyAttr


@dataclass(frozen=True)
class Replicate:
    """One further training of a student, scored on the validation split."""

    student: str
    """Key of the student on the study's own seed: the one that its points have."""
    seed: int
    accuracies: Mapping[str, float]
    """By scheme."""
    seconds: float
    """Of training, what the stage cache had included."""


def record_replicate(study: optuna.Study, replicate: Replicate) -> None:
    """Write `replicate`; an earlier one of the same student and seed is replaced."""
    study.set_user_attr(
        f"{StudyAttr.REPLICATE.value}:{replicate.student}:{replicate.seed}",
        {"accuracies": dict(replicate.accuracies), "seconds": replicate.seconds},
    )


def replicates_of(attrs: Mapping[str, Any]) -> tuple[Replicate, ...]:
    """Return the replicates among a study's user attributes, by student and seed."""
    found = []
    for name, value in attrs.items():
        kind, _, rest = str(name).partition(":")
        if kind == StudyAttr.REPLICATE:
            student, _, seed = rest.rpartition(":")
            found.append(Replicate(student, int(seed), value["accuracies"], value["seconds"]))
    return tuple(sorted(found, key=lambda replicate: (replicate.student, replicate.seed)))
