"""Errors that training can end in. No torch."""

from spaces import DistilfrontError


class DivergedError(DistilfrontError):
    """Training left the finite numbers; the trial fails with this text, the study goes on."""

    def __init__(self, stage: str, epoch: int, learning_rate: float) -> None:
        super().__init__(
            f"{stage} diverged in epoch {epoch} at peak learning rate {learning_rate:g}: "
            "the loss or the outputs are not finite"
        )
