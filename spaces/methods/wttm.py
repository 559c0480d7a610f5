"""Weighted matching of a transformed teacher."""

from dataclasses import dataclass
from typing import ClassVar

from spaces.methods.method import Method, shared_temperature, weight


@dataclass(frozen=True)
class Wttm(Method):
    """CE + beta * U * KL(softened teacher || student as it is) (Zheng & Yang 2024)."""

    kind: ClassVar[str] = "wttm"

    beta: float = weight(4.0, "beta", (1.0, 2.0, 4.0, 8.0))
    """Weight of the teacher's part."""
    temperature: float = shared_temperature(lambda known: known["beta"] > 0)
    """T: how far the teacher's distribution is softened; the student's is not."""
