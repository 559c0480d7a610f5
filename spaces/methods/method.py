"""What all methods have in common, the one that needs no teacher, and the base of most others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from spaces.domains import Choice, Steps
from spaces.settings import Number, Setting, Settings, own_settings, setting


@dataclass(frozen=True)
class Method(Settings):
    """How a student learns from its teacher."""

    kind: ClassVar[str]
    """Its name in METHODS."""
    asks_own_first: ClassVar[bool] = False
    needs_labels: ClassVar[bool] = False
    """Whether it needs one label an image, which mixed images do not have; the labels' part of a
    loss does not."""

    @property
    def needs_teacher(self) -> bool:
        """Whether the teacher is asked at all: not where all that weighs its part is at 0."""
        weights = [one for one in own_settings(type(self)) if one.alone]
        return not weights or any(getattr(self, one.name) not in one.alone for one in weights)

    @property
    def at_once(self) -> Self:
        """Itself with nothing in turns, as later stages learn: they end what has begun."""
        return self

    @property
    def in_words(self) -> str:
        """In a few words, as reports have it: `dkd, alpha 1, beta 8`."""
        if not self.needs_teacher:
            return "labels alone"
        values = {one.name: getattr(self, one.name) for one in own_settings(type(self))}
        said = (
            f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in values.items()
        )
        return ", ".join([self.kind, *said])


@dataclass(frozen=True)
class NoTeacher(Method):
    """Cross-entropy with the labels."""

    kind: ClassVar[str] = "none"

    @property
    def needs_teacher(self) -> bool:
        """False."""
        return False


def weight(default: float, words: str, values: tuple[float, ...]) -> Any:
    """Return the field of what weighs the teacher's part, or one of them; 0 leaves it out.

    values: what is searched where a study file is silent.
    """
    rule = Number(least=0, most=100)
    return setting(default, Setting(words, rule, Choice(values), alone=0, baseline=default))


def shared_temperature(applies: Callable[[Mapping[str, Any]], bool]) -> Any:
    """Return the field of the temperature, which methods have in common."""
    return setting(
        4.0,
        Setting(
            "temperature",
            Number(least=0.01, most=1000),
            Steps(1.0, 10.0, 1.0),
            applies,
            shared=True,
            baseline=4,
        ),
    )


@dataclass(frozen=True)
class Softened(Method):
    """Base of methods that compare softened logits: (1 - alpha) * CE + alpha * T^2 * (theirs)."""

    alpha: float = setting(
        0.9,
        Setting(
            "alpha",
            Number(least=0, most=1),
            Steps(0.0, 1.0, 0.1),
            shared=True,
            alone=0,
            baseline=0.9,
        ),
    )
    """Weight of the teacher's logits, against the labels; at 0 a student learns from the labels
    alone, and from the inner tensors that `hint`, `attention`, `rkd`, `crd` and `multi_level`
    compare."""
    temperature: float = shared_temperature(lambda known: known["alpha"] > 0)
    """T: how far both distributions are softened."""

    @property
    def in_words(self) -> str:
        """`T 4, alpha 0.3`, after the name of any method but the plain one."""
        if not self.needs_teacher:
            return super().in_words
        said = f"T {self.temperature:g}, alpha {self.alpha:g}"
        return said if self.kind == "logit" else f"{self.kind}, {said}"
