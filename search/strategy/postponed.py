"""Why a student in training makes way for another."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Postponed:
    """Why a student was paused."""

    progress: float
    """Share of its epochs that were done."""
    accuracy: float
    """Final accuracy that was expected of it."""
    gain: float
    """Hypervolume it was expected to add, by `seconds` of further training."""
    seconds: float
    better: float
    """How many times as much per second another was expected to add as this one at its best."""

    @property
    def _times(self) -> str:
        return f"{self.better:.1f} times" if self.better < 100 else "over 100 times"

    @property
    def words(self) -> str:
        """The reason as a sentence."""
        return (
            f"paused after {self.progress:.0%} of its epochs: it is expected to end at "
            f"{self.accuracy:.2%} and to add {self.gain:.5f} hypervolume in {self.seconds:.0f} s, "
            f"and another student promises {self._times} as much per second as this one in its "
            "best case"
        )
