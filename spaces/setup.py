"""What all students of a study share: data, teacher, and how arithmetic is done."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from spaces.data import DataConfig
from spaces.errors import UnknownNameError
from spaces.schemes import LayerSensitivity
from spaces.settings import SEED, Number, check_numbers
from spaces.stages import OWN_TEACHER
from spaces.teachers import (
    Ensemble,
    NamedTeacher,
    TeacherConfig,
    check_teachers,
    in_order,
)

MeasureName = Literal["accuracy", "balanced_accuracy", "f1"]
THREADS = Number(least=1, most=1024, whole=True)


@dataclass(frozen=True)
class StudySetup:
    """What a study settles before its first student."""

    data: DataConfig
    teacher: TeacherConfig
    seed: Annotated[int, SEED]
    """Seed of the teacher and of every student."""
    threads: Annotated[int, THREADS] = 1
    """CPU threads of training and evaluation; part of what decides the bits of a result."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where training happens; artifacts are always run by their runtime on the CPU."""
    runtime: Literal["onnxruntime", "executorch", "openvino"] = "onnxruntime"
    """What runs the artifacts."""
    measure: MeasureName = "accuracy"
    """What a network is judged by (objectives.measures), in training and as a point."""
    modules: tuple[str, ...] = ()
    """Folders in which a `module:function` is looked for, after the current one, once trusted."""
    sensitivity: tuple[LayerSensitivity, ...] = ()
    """Of a reference student's layers: what bits by layer are decided by."""
    teachers: tuple[NamedTeacher, ...] = ()
    """Beside its own, those that a stage can name. Raises InputError where one rests on a teacher
    that is not there, or on itself."""

    def __post_init__(self) -> None:
        check_numbers(self)
        check_teachers(self.teachers)

    def teacher_named(self, name: str) -> TeacherConfig | Ensemble:
        """Return what a teacher is; raises UnknownNameError with the known names."""
        known = {OWN_TEACHER: self.teacher, **{each.name: each.made for each in self.teachers}}
        if name not in known:
            raise UnknownNameError("teacher", name, tuple(known))
        return known[name]

    @property
    def networks_of_teachers(self) -> dict[str, TeacherConfig]:
        """Every teacher that is one network, by name, the study's own first."""
        others = {each.name: each.made for each in self.teachers}
        return {OWN_TEACHER: self.teacher} | {
            name: made for name, made in others.items() if isinstance(made, TeacherConfig)
        }

    def teachers_for(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the study's own teacher, `names` and all they rest on, in an order to make them.

        Raises UnknownNameError as `teacher_named` does.
        """
        return in_order(self.teachers, (OWN_TEACHER, *names))

    def with_teachers_for(self, names: Iterable[str]) -> "StudySetup":
        """Return the setup without the teachers that students of `names` do not need."""
        kept = self.teachers_for(names)
        return replace(self, teachers=tuple(one for one in self.teachers if one.name in kept))
