"""Knowledge distillation by relations in place of values."""

from dataclasses import dataclass
from typing import ClassVar

from spaces.methods.method import Method, shared_temperature, weight


@dataclass(frozen=True)
class Dist(Method):
    """CE + beta * (relations between classes) + gamma * (within classes) (Huang et al. 2022)."""

    kind: ClassVar[str] = "dist"

    beta: float = weight(2.0, "beta", (1.0, 2.0, 4.0))
    """Weight of how the classes of an image relate."""
    gamma: float = weight(2.0, "gamma", (1.0, 2.0, 4.0))
    """Weight of how the images of a batch relate within a class."""
    temperature: float = shared_temperature(lambda known: known["beta"] > 0 or known["gamma"] > 0)
    """T: how far both distributions are softened."""
