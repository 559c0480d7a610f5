"""Why a peer's rule stops or pauses a student: the peers say no more than when."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PeerReason:
    """The rule that stopped or paused a student, and at which epoch."""

    rule: str
    """Name of the peer."""
    epoch: int
    """Epochs of the student that the rule had seen."""
    accuracy: float
    """Validation accuracy after that epoch."""

    @property
    def words(self) -> str:
        """The reason as a sentence."""
        return f"{self.rule} takes it out after epoch {self.epoch}, at {self.accuracy:.2%} accuracy"
