"""Errors that training can end in. No torch."""

from spaces import DistilfrontError


class DivergedError(DistilfrontError):
    """Training left the finite numbers; the trial fails with this text, the study goes on."""

    def __init__(
        self, stage: str, epoch: int, learning_rate: float, batch: tuple[int, int] | None = None
    ) -> None:
        """Take the first batch whose loss was not finite, from 1, and how many an epoch has.

        batch: None where all losses were, and the outputs on validation images are not.
        """
        at = "after its last batch" if batch is None else f"at batch {batch[0]} of {batch[1]}"
        what = "the outputs on validation images are" if batch is None else "the loss is"
        super().__init__(
            f"{stage} diverged in epoch {epoch} {at}, at peak learning rate {learning_rate:g}: "
            f"{what} not finite"
        )
