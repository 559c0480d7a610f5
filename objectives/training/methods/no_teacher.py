"""Learning from the labels alone."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from objectives.data import Batch
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
        return cross_entropy(student.logits, batch.labels, weight=batch.class_weights)
