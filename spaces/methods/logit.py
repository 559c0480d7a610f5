"""Plain knowledge distillation."""

from dataclasses import dataclass
from typing import ClassVar

from spaces.methods.method import Softened


@dataclass(frozen=True)
class Logit(Softened):
    """(1 - alpha) * CE + alpha * T^2 * KL(teacher || student), both softened by T (Hinton 2015)."""

    kind: ClassVar[str] = "logit"
