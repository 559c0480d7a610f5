"""[teachers.NAME]: teachers beside a study's own, of three forms, and how they go together."""

import re
from collections.abc import Mapping
from dataclasses import replace

from pydantic import Field, ValidationInfo, field_validator

from spaces import (
    OWN_TEACHER,
    SEED,
    Domain,
    Ensemble,
    InputError,
    Key,
    Lesson,
    Logit,
    NamedTeacher,
    TeacherConfig,
    TrainTeacher,
    check_teachers,
)
from studies.tables import TeacherTable

_NAME = re.compile(r"[\w-]{1,40}")
_LESSON = ("temperature", "alpha")
_FORMS = {
    "architecture": ("weights", "weights_part", "pretrained", "augment", "training",
                     "width", "stem", "image_size", "seed", "taught_by", *_LESSON),
    "of": ("epoch",),
    "ensemble": (),
}  # fmt: skip
"""Keys that a teacher's form goes by, with those that it may have beside."""


class NamedTeacherTable(TeacherTable):
    """[teachers.NAME]: an `architecture` as in [teacher], or `of` and `epoch`, or an `ensemble`.

    It stands beside [teacher], with which everything is compared; `distill.teacher` names it.
    """

    architecture: str = ""
    """A torchvision or CIFAR name, `timm:NAME` or `module:function`."""
    seed: int | None = Field(None, ge=SEED.least, lt=SEED.below)
    """Of its training; not set: the study's."""
    taught_by: str | None = None
    """Name of the teacher that it learns from, by `logit`: it is a teaching assistant."""
    temperature: float | None = None
    """Of that lesson; not set: 4."""
    alpha: float | None = None
    """Of that lesson, weight of the teacher against the labels; not set: 0.9."""
    of: str | None = None
    """Name of a teacher that is trained here; this one is that one after `epoch`."""
    epoch: int | None = None
    """Epoch of its schedule, before the last."""
    ensemble: tuple[str, ...] | None = None
    """Names of two or more teachers: the mean of their probabilities."""

    @field_validator(*_LESSON)
    @classmethod
    def _as_logit_has_it(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None:
            try:
                Logit(**{str(info.field_name): value})
            except InputError as error:
                raise ValueError(str(error)) from error
        return value

    def _check(self) -> None:
        fields = type(self).model_fields
        said = [name for name, field in fields.items() if getattr(self, name) != field.default]
        forms = [name for name in _FORMS if name in said]
        if len(forms) != 1:
            raise ValueError(
                "a teacher has either an `architecture`, or `of` and `epoch`, or an `ensemble`; "
                f"this has {' and '.join(forms) or 'none of them'}"
            )
        if beyond := [name for name in said if name not in (forms[0], *_FORMS[forms[0]])]:
            raise ValueError(f"beside `{forms[0]}` there can be no `{beyond[0]}`")
        if (self.of is None) != (self.epoch is None):
            raise ValueError("`of` names a teacher, and `epoch` says after which it is taken")
        trained = {"taught_by", "seed"} & {*said}
        if trained and self.training is None:
            raise ValueError(f"`{min(trained)}` needs a table `training`: how it is trained")
        if self.taught_by is None and (idle := [name for name in _LESSON if name in said]):
            raise ValueError(f"`{idle[0]}` is of a lesson: `taught_by` says whose")
        if forms == ["architecture"]:
            super()._check()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the teachers that it rests on."""
        said = (*(self.ensemble or ()), self.of, self.taught_by)
        return tuple(name for name in said if name is not None)

    def made(
        self, others: Mapping[str, "TeacherTable"], image_size: int
    ) -> TeacherConfig | Ensemble:
        """Return what it is; others: all tables, the study's own too.

        Raises InputError where `of` names no teacher that is trained, or one has no such epoch.
        """
        if self.ensemble is not None:
            return Ensemble(self.ensemble)
        if self.of is not None:
            return self._earlier(self.of, others, image_size)
        config = self.settings(image_size)
        if not isinstance(config.weights, TrainTeacher):
            return config
        lesson = None
        if self.taught_by is not None:
            settings = {name: getattr(self, name) for name in _LESSON}
            said = {name: value for name, value in settings.items() if value is not None}
            lesson = Lesson(self.taught_by, Logit(**said))
        return replace(config, weights=replace(config.weights, lesson=lesson, seed=self.seed))

    def _earlier(
        self, of: str, others: Mapping[str, "TeacherTable"], image_size: int
    ) -> TeacherConfig:
        trained = [name for name, table in others.items() if table.training is not None]
        if of not in trained:
            raise InputError(
                f"of must name a teacher that is trained here, got {of!r}: there are "
                f"{', '.join(trained) or 'none'}"
            )
        table = others[of]
        made = (
            table.made(others, image_size)
            if isinstance(table, NamedTeacherTable)
            else table.settings(image_size)
        )
        assert isinstance(made, TeacherConfig)
        assert isinstance(made.weights, TrainTeacher)
        return replace(made, weights=replace(made.weights, until=self.epoch))


def named_teachers(
    own: TeacherTable, tables: Mapping[str, NamedTeacherTable], image_size: int
) -> tuple[NamedTeacher, ...]:
    """Return the teachers of a file beside its own.

    Raises InputError where one cannot be made or they do not go together.
    """
    for name in tables:
        if _NAME.fullmatch(name) is None or name == OWN_TEACHER:
            raise InputError(
                f"a name has letters, digits, - and _, at most 40, and is not {OWN_TEACHER}, which "
                f"is [teacher]; got {name!r}"
            )
    others, made = {OWN_TEACHER: own, **tables}, []
    for name, table in tables.items():
        try:
            made.append(NamedTeacher(name, table.made(others, image_size)))
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
    check_teachers(made)
    return tuple(made)


def faults_of_teachers(
    domains: Mapping[str, Domain],
    keys: Mapping[str, tuple[Key, ...]],
    teachers: Mapping[str, NamedTeacherTable],
) -> list[tuple[str, str]]:
    """Return key and words where a space names a teacher that is not there, or leaves one idle."""
    naming = [name for name, (key, *_) in keys.items() if key.declared.setting.names_teacher]
    asked = {str(value): name for name in naming for value in domains[name].values}
    known = (OWN_TEACHER, *teachers)
    if missing := [name for name in asked if name not in known]:
        there = ", ".join(known)
        return [
            (asked[name], f"there is no teacher {name!r}: there are {there}") for name in missing
        ]
    used, waiting = set[str](), list(asked)
    while waiting:
        name = waiting.pop()
        if name in teachers and name not in used:
            used.add(name)
            waiting += teachers[name].names
    idle = [name for name in teachers if name not in used]
    return [
        (naming[0], f"nobody learns from {name}: list it here, or drop [teachers.{name}]")
        for name in idle[:1]
        if naming
    ]
