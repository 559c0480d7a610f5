"""What all stages have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import ClassVar, Self

from spaces.methods import Method
from spaces.network import Network
from spaces.schedule import Schedule
from spaces.settings import Setting, Word

OWN_TEACHER = "teacher"
"""Name of a study's own teacher among those that a stage can ask."""
NO_WEIGHTS = "none"
"""In place of a name of pretrained weights: a network begins with fresh ones."""
ANY_LAYOUT = "float"
"""Stands for no layout: weights that were trained as they are."""


BEGINS_WITH = Setting("pretrained weights", Word(), tried=True)


@dataclass(frozen=True)
class Prior:
    """What is assumed of a kind of stage before any was seen to end.

    `fall`, `noise`, `gain` and `taught` are log errors, as shares of what there is to learn: of the
    teacher's own. Variances are shares of those of all students' log errors. All are what recorded
    tables had in common (docs/decisions).
    """

    fall: float
    """By how much log error falls from a stage's first epoch to its end: times the square of the
    share that is ahead."""
    noise: float
    """Standard deviation of that, times the share that is ahead."""
    gain: float = 0.0
    """What the stage takes away of the log error that its parent has; of a first stage, nothing."""
    taught: float = 0.0
    """What a teacher takes away of the log error of a student whose first stage this is."""
    checkpoint: float = 0.06
    """Variance of the random effect that all students of one checkpoint of this kind share."""
    family: float = 0.01
    """Variance of the random effect that students share whose last stage is this one: those of one
    parent and one label."""
    families: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Where a label has a variance of its own."""


BASE_WEIGHTS = "base.safetensors"
"""What an export calls the weights before a stage that leaves a folder."""


@dataclass(frozen=True)
class Leaf:
    """What a stage leaves in a folder beside the weights."""

    words: str
    """What is in it, for a model card."""
    code: str = ""
    """Python that loads it, for a model card too. It may name `{network}`, an expression that makes
    the Network, `{classes}`, their number, and `{base}`, the file of the weights before the
    stage."""


@dataclass(frozen=True)
class Stage(Schedule):
    """One step of training: from a parent's weights, or fresh ones, to weights.

    It is a schedule, with what is done by it beside.
    """

    kind: ClassVar[str]
    """Its name in STAGES."""
    done: ClassVar[str]
    """What a student is after it: `distilled`."""
    absent: ClassVar[str]
    """What is said of a student that leaves it out: `no adapter`."""
    can_begin: ClassVar[bool] = False
    """Whether it can be a chain's first, without a parent."""
    leaves: ClassVar[Mapping[str, Leaf]] = MappingProxyType({})
    """Folders that it can leave beside the weights, by name. An export has them too, and in each
    BASE_WEIGHTS: the weights before the stage, which the folder is a change of."""
    prior: ClassVar[Prior]

    @property
    def teaching(self) -> Method | None:
        """How it learns from the teacher; None: as the stage before it does."""
        return None

    @property
    def left(self) -> Mapping[str, Leaf]:
        """Those of `leaves` that this very one leaves."""
        return self.leaves

    @property
    def teacher(self) -> str | None:
        """Name of the teacher that it asks; None: whom the stage before it asks."""
        return None

    @property
    def pretrained(self) -> str:
        """Name of the weights that it begins with where it has no parent, or NO_WEIGHTS."""
        return NO_WEIGHTS

    @property
    def after_another(self) -> Self:
        """The stage where it has a parent, and what it would begin with says nothing."""
        if self.pretrained == NO_WEIGHTS:
            return self
        return replace(self, pretrained=NO_WEIGHTS)  # type: ignore[call-arg]

    @property
    def trained_for(self) -> str:
        """Key of the layout that it makes the weights for; ANY_LAYOUT where it knows none."""
        return ANY_LAYOUT

    def leaves_of(self, network: Network) -> Network:
        """Return what it makes of a network: another where it takes parts away."""
        return network

    @property
    def became(self) -> str:
        """What this very student is after it."""
        return self.done

    @property
    def label(self) -> str:
        """What its families are told apart by beside their parent; empty where nothing does."""
        return ""

    @property
    def in_words(self) -> str:
        """What is done, in a few words: `rank 8 on classifier`."""
        return self.done
