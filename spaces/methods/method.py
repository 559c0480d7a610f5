"""What all methods have in common, the one that needs no teacher, and the base of most others."""

from dataclasses import dataclass
from typing import ClassVar

from spaces.domains import Steps
from spaces.settings import Number, Setting, Settings, own_settings, setting


@dataclass(frozen=True)
class Method(Settings):
    """How a student learns from its teacher."""

    kind: ClassVar[str]
    """Its name in METHODS."""
    asks_own_first: ClassVar[bool] = False

    @property
    def needs_teacher(self) -> bool:
        """Whether the teacher is asked at all."""
        return True

    @property
    def in_words(self) -> str:
        """In a few words, as reports have it: `dkd, alpha 1, beta 8`."""
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

    @property
    def in_words(self) -> str:
        """In words."""
        return "labels alone"


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
    alone, and from the inner tensors that `hint`, `attention`, `rkd` and `crd` compare."""
    temperature: float = setting(
        4.0,
        Setting(
            "temperature",
            Number(above=0),
            Steps(1.0, 10.0, 1.0),
            lambda known: known["alpha"] > 0,
            shared=True,
            baseline=4,
        ),
    )
    """T: how far both distributions are softened."""

    @property
    def needs_teacher(self) -> bool:
        """False at alpha 0."""
        return self.alpha > 0

    @property
    def in_words(self) -> str:
        """`T 4, alpha 0.3`, after the name of any method but the plain one."""
        if not self.needs_teacher:
            return "labels alone"
        said = f"T {self.temperature:g}, alpha {self.alpha:g}"
        return said if self.kind == "logit" else f"{self.kind}, {said}"
