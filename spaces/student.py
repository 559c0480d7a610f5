"""A student, and the chain that ends in a file: what is trained, sampled, stopped and cached."""

from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from typing import Annotated, Any, NamedTuple

from spaces.codec import by_name, digest, essence, one_of
from spaces.errors import InputError
from spaces.methods import Method, NoTeacher
from spaces.network import Network
from spaces.schemes import Scheme, scheme_named
from spaces.settings import SEED, check_numbers
from spaces.stages import ANY_LAYOUT, OWN_TEACHER, STAGES, Stage


class FileKind(NamedTuple):
    """What decides which files a student can become, at which costs, and what rounding does."""

    network: str
    """Network.key."""
    layout: str = ANY_LAYOUT
    """Key of the layout that it was trained for, or ANY_LAYOUT."""


@dataclass(frozen=True)
class StudentConfig:
    """One trained set of weights: a network, and the stages that train it."""

    network: Network
    stages: tuple[Annotated[Stage, *one_of(STAGES)], ...]
    """In order; one that the student leaves out is not among them."""
    seed: Annotated[int, SEED]

    def __post_init__(self) -> None:
        check_numbers(self)
        if not self.stages:
            raise InputError("a student needs at least one stage of training")
        if not self.stages[0].can_begin:
            raise InputError(f"{self.stages[0].kind} needs weights to begin with: not the first")

    @cached_property
    def epochs(self) -> tuple[int, ...]:
        """Epochs of each stage."""
        return tuple(stage.epochs for stage in self.stages)

    @property
    def total_epochs(self) -> int:
        """All together: what a curve's progress 1 stands for."""
        return sum(self.epochs)

    def prefix(self, stages: int) -> "StudentConfig":
        """Return the student after its first `stages` stages: what others may share with it."""
        return self if stages == len(self.stages) else self._shorter[stages - 1]

    @property
    def prefixes(self) -> tuple["StudentConfig", ...]:
        """All of them, the student itself last."""
        return (*self._shorter, self)

    @cached_property
    def _shorter(self) -> tuple["StudentConfig", ...]:
        return tuple(_prefix(self, count) for count in range(1, len(self.stages)))

    def teaching(self, index: int) -> Method:
        """Return how the stage at `index` learns from the teacher: as it says, or as before it.

        As before it is without turns: what is adapted may not depend on a part that is alone.
        """
        own = self.stages[index].teaching
        if own is not None:
            return own
        before = (stage.teaching for stage in reversed(self.stages[:index]))
        return next((method.at_once for method in before if method is not None), NoTeacher())

    def teacher(self, index: int) -> str:
        """Return the name of the teacher that the stage at `index` asks, if it asks any."""
        named = (stage.teacher for stage in reversed(self.stages[: index + 1]))
        return next((name for name in named if name is not None), OWN_TEACHER)

    @property
    def teachers(self) -> tuple[str, ...]:
        """Names of the teachers that its stages really ask."""
        stages = range(len(self.stages))
        asked = (self.teacher(index) for index in stages if self.teaching(index).needs_teacher)
        return tuple(dict.fromkeys(asked))

    @cached_property
    def needs_teacher(self) -> bool:
        """Whether the teacher is asked in any stage."""
        return any(self.teaching(index).needs_teacher for index in range(len(self.stages)))

    @property
    def tried(self) -> tuple[Stage, ...]:
        """Its stages as Space.tried has them: what a later one would begin with says nothing."""
        first, *later = self.stages
        return (first, *(stage.after_another for stage in later))

    @cached_property
    def deployed(self) -> Network:
        """What its stages leave of its network: the one that is in its files."""
        return left_of(self.network, self.stages)

    @cached_property
    def trained_as(self) -> tuple[str, ...]:
        """Network.key of what each stage trains: what pruning leaves, from that stage on."""
        return tuple(student.deployed.key for student in self.prefixes)

    @property
    def files(self) -> "FileKind":
        """What its artifacts can be, known before it is trained."""
        return FileKind(self.deployed.key, self.stages[-1].trained_for)

    @cached_property
    def key(self) -> str:
        """See student_key."""
        return _key(self)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        # What chooses the next student looks thousands of them up, several times each.
        return hash((self.network, self.stages, self.seed))

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings alone: another process hashes their words otherwise."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@lru_cache(maxsize=2**14)
def left_of(network: Network, stages: tuple[Stage, ...]) -> Network:
    """Return what stages leave of a network."""
    for stage in stages:
        network = stage.leaves_of(network)
    return network


@lru_cache(maxsize=2**16)
def _prefix(student: StudentConfig, stages: int) -> StudentConfig:
    return replace(student, stages=student.stages[:stages])


def student_key(student: StudentConfig) -> str:
    """Return the short name (12 hex digits) under which a study knows a student."""
    return student.key


@lru_cache(maxsize=2**16)
def _key(student: StudentConfig) -> str:
    return digest(essence(student))[:12]


@dataclass(frozen=True)
class ChainConfig:
    """A student and the scheme that turns it into an artifact: one point."""

    student: StudentConfig
    scheme: Annotated[Scheme, *by_name(scheme_named)]
