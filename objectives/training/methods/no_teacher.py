"""Learning from the labels alone."""

from torch import Tensor

from objectives.data import Batch
from objectives.training.methods.labels import labels_loss
from objectives.training.methods.method import Seen, TrainingMethod


class NoTeacherTraining(TrainingMethod):
    """Cross-entropy with the labels, mean over images."""

    def forward(
        self,
        student: Seen,
        teacher: Seen | None,  # noqa: ARG002
        batch: Batch,
        epoch: int,  # noqa: ARG002
    ) -> Tensor:
        """Return the loss."""
        return labels_loss(student.logits, batch)
