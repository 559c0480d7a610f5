"""Learning from smoothed labels, without a teacher."""

from dataclasses import dataclass
from typing import ClassVar

from spaces.domains import Choice
from spaces.methods.method import Method
from spaces.settings import Number, Setting, setting


@dataclass(frozen=True)
class LabelSmoothing(Method):
    """Cross-entropy with labels that are a little of every class (Szegedy et al. 2016)."""

    kind: ClassVar[str] = "label_smoothing"

    smoothing: float = setting(
        0.1,
        Setting("smoothing", Number(least=0, below=1), Choice((0.05, 0.1, 0.2)), baseline=0.1),
    )
    """Share of a label that all classes have alike; at 0 it trains as `none` does."""

    @property
    def needs_teacher(self) -> bool:
        """False."""
        return False

    @property
    def in_words(self) -> str:
        """`labels smoothed by 0.1`."""
        return f"labels smoothed by {self.smoothing:g}"
