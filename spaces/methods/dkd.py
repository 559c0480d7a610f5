"""Decoupled knowledge distillation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from spaces.methods.method import Method, shared_temperature, weight
from spaces.settings import Number, Setting, setting


def _taught(known: Mapping[str, float]) -> bool:
    return known["alpha"] > 0 or known["beta"] > 0


@dataclass(frozen=True)
class Dkd(Method):
    """CE + alpha * (own class against all others) + beta * (the others) (Zhao et al. 2022)."""

    kind: ClassVar[str] = "dkd"
    needs_labels: ClassVar[bool] = True

    alpha: float = weight(1.0, "alpha", (0.5, 1.0, 2.0))
    """Weight of how sure the teacher is of an image's own class."""
    beta: float = weight(8.0, "beta", (1.0, 2.0, 4.0, 8.0, 10.0))
    """Weight of what the teacher says of the other classes."""
    temperature: float = shared_temperature(_taught)
    """T: how far both distributions are softened."""
    warmup_epochs: int = setting(
        1, Setting("warm-up epochs", Number(least=1, most=10_000, whole=True), applies=_taught)
    )
    """Epochs of a stage until the teacher's part has its full weight; 1: at once. Published are 20
    of 240 for CIFAR-100 and 1 of 100 for ImageNet."""
