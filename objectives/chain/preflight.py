"""Whether a study could begin at all, found out before anything is written."""

from collections.abc import Iterable
from pathlib import Path

from objectives.data import load_data
from objectives.models import build_model, load_weights
from objectives.runtimes import runtime_named
from spaces import Architecture, Foundation, InputError, LoadTeacher


def check_foundation(foundation: Foundation, student: Architecture, schemes: Iterable[str]) -> None:
    """Raise InputError when data, a network, the teacher's weights or the runtime are missing."""
    runtime = runtime_named(foundation.runtime)
    if beyond := sorted(set(schemes) - set(runtime.schemes())):
        raise InputError(
            f"{runtime.name} cannot write {', '.join(beyond)}: space.scheme can have "
            f"{', '.join(runtime.schemes())}"
        )
    classes = load_data(foundation.data).classes
    build_model(student, classes)
    teacher = build_model(foundation.teacher.architecture, classes)
    weights = foundation.teacher.weights
    if isinstance(weights, LoadTeacher):
        load_weights(teacher, Path(weights.path), foundation.teacher.architecture.key)
