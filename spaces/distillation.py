"""How a student learns: from labels alone, or from the teacher as well."""

from dataclasses import dataclass
from typing import Literal

from spaces.errors import InputError


@dataclass(frozen=True)
class PlainTraining:
    """Cross-entropy with the labels; the teacher is not asked (alpha 0)."""

    kind: Literal["plain"] = "plain"

    alpha = 0.0


@dataclass(frozen=True)
class Distillation:
    """(1 - alpha) * CE + alpha * T^2 * KL(teacher || student), both softened by T (Hinton 2015)."""

    temperature: float
    """T: how far both distributions are softened."""
    alpha: float
    """Weight of the teacher's part, in (0, 1]."""
    kind: Literal["distillation"] = "distillation"

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise InputError(f"temperature must be greater than 0, got {self.temperature}")
        if not 0 < self.alpha <= 1:
            raise InputError(f"alpha must be in (0, 1] (0 is plain training), got {self.alpha}")


Method = PlainTraining | Distillation
