"""What is expected of one student: of one that may be begun, and of one in training."""

from dataclasses import dataclass
from typing import NamedTuple

from spaces import StudentConfig


class StudentForecast(NamedTuple):
    """What is expected of one student."""

    student: StudentConfig
    mean: float
    """Of the final log error."""
    variance: float
    gain: float
    """Expected gain in hypervolume."""
    seconds: float
    """Training that is left."""
    best_case: float = 0.0
    """Gain if it ends 2.5 standard deviations better than expected; of one in training."""

    @property
    def worth(self) -> float:
        """Expected gain per second."""
        return self.gain / self.seconds


@dataclass(frozen=True)
class BegunStudent:
    """What was expected of a student before its own curve: after each stage, the last its end."""

    student: StudentConfig
    means: tuple[float, ...]
    variances: tuple[float, ...]
    common: tuple[float, ...]
    """Covariance of each with the end."""
