"""The teachers of a study: its own, against which everything is measured, and others beside it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from spaces.codec import one_of
from spaces.errors import InputError, UnknownNameError
from spaces.methods import METHODS, Method
from spaces.network import Network
from spaces.schedule import Schedule
from spaces.settings import SEED, check_numbers
from spaces.stages import NO_WEIGHTS, OWN_TEACHER
from spaces.views import AS_DATA, AUGMENTATION


@dataclass(frozen=True)
class Lesson:
    """How a teacher was itself taught: a teaching assistant (Mirzadeh et al., AAAI 2020)."""

    teacher: str
    """Name of the one that taught it."""
    method: Annotated[Method, *one_of(METHODS)]


@dataclass(frozen=True)
class TrainTeacher:
    """The teacher is trained by us, once per study."""

    schedule: Schedule
    kind: Literal["train"] = "train"
    pretrained: str = NO_WEIGHTS
    """Name of torchvision's weights that it begins with, its classifier aside."""
    lesson: Lesson | None = None
    """None: it learns from the labels alone."""
    until: int | None = None
    """Epoch of its schedule after which it is taken as it is; None: the last."""
    seed: Annotated[int | None, SEED] = None
    """Of its weights and batches; None: the study's."""
    augment: str = AS_DATA
    """Random changes of the images that it learns from, as a stage's `augment`."""

    def __post_init__(self) -> None:
        check_numbers(self)
        AUGMENTATION.read("augment", self.augment)
        if self.until is not None and not 1 <= self.until < self.schedule.epochs:
            raise InputError(
                f"a teacher trained for {self.schedule.epochs} epochs can be taken as it was "
                f"after one of 1 to {self.schedule.epochs - 1}, got {self.until}"
            )

    @property
    def epochs(self) -> int:
        """How many epochs are trained."""
        return self.until or self.schedule.epochs


@dataclass(frozen=True)
class LoadTeacher:
    """The teacher's weights come from a file (safetensors, or a state dict)."""

    path: str
    kind: Literal["load"] = "load"
    part: str | None = None
    """Which set of weights in the file, where several fit: the keys that lead to it, with dots."""


@dataclass(frozen=True)
class TeacherConfig:
    """A network, usually too big itself, and where its weights come from."""

    network: Network
    weights: Annotated[TrainTeacher | LoadTeacher, Field(discriminator="kind")]

    @property
    def in_words(self) -> str:
        """`resnet18, after 10 of 30 epochs`."""
        weights = self.weights
        said = [self.network.in_words]
        if isinstance(weights, LoadTeacher):
            return f"{said[0]}, loaded"
        if weights.pretrained != NO_WEIGHTS:
            said.append(f"begun with {weights.pretrained}")
        if weights.lesson is not None:
            said.append(f"taught by {weights.lesson.teacher}")
        if weights.augment != AS_DATA:
            said.append(f"augmentation {weights.augment}")
        if weights.until is not None:
            said.append(f"after {weights.until} of {weights.schedule.epochs} epochs")
        return ", ".join(said)


@dataclass(frozen=True)
class Ensemble:
    """Several teachers as one: the mean of their probabilities."""

    members: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.members)) < 2 or len(set(self.members)) < len(self.members):
            raise InputError(
                f"an ensemble is of two or more different teachers, got {list(self.members)}"
            )

    @property
    def in_words(self) -> str:
        """`mean of teacher and early`."""
        *others, last = self.members
        return f"mean of {', '.join(others)} and {last}"


@dataclass(frozen=True)
class NamedTeacher:
    """A teacher beside the study's own, by the name under which a stage asks it."""

    name: str
    made: TeacherConfig | Ensemble

    @property
    def rests_on(self) -> tuple[str, ...]:
        """Names of the teachers that must be there before it."""
        if isinstance(self.made, Ensemble):
            return self.made.members
        weights = self.made.weights
        lesson = weights.lesson if isinstance(weights, TrainTeacher) else None
        return () if lesson is None else (lesson.teacher,)


def check_teachers(teachers: Sequence[NamedTeacher]) -> None:
    """Raise InputError unless every name is there once and no teacher waits for itself."""
    known = {each.name: each for each in teachers}
    if OWN_TEACHER in known or len(known) < len(teachers):
        raise InputError(f"teachers need different names, and none is called {OWN_TEACHER}")
    for each in teachers:
        in_order(teachers, [each.name])


def in_order(teachers: Sequence[NamedTeacher], names: Iterable[str]) -> tuple[str, ...]:
    """Return `names` and all that they rest on, in an order in which they can be made.

    Raises UnknownNameError for a name that is none of `teachers` and not the study's own, and
    InputError where a teacher would have to be there before itself.
    """
    return tuple(dict.fromkeys(_in_order(teachers, names, ())))


def _in_order(
    teachers: Sequence[NamedTeacher], names: Iterable[str], waiting: tuple[str, ...]
) -> Iterator[str]:
    known = {each.name: each for each in teachers}
    for name in names:
        if name in waiting:
            circle = " → ".join((*waiting[waiting.index(name) :], name))
            raise InputError(f"teachers wait for each other: {circle}")
        if name != OWN_TEACHER:
            if name not in known:
                raise UnknownNameError("teacher", name, (OWN_TEACHER, *known))
            below = known[name].rests_on
            yield from _in_order(teachers, below, (*waiting, name))
        yield name
