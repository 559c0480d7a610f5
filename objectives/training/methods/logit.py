"""Plain knowledge distillation (Hinton, Vinyals and Dean 2015, section 2)."""

from torch import Tensor

from objectives.data import Batch
from objectives.training.methods.divergences import softened_divergence, weighed
from objectives.training.methods.labels import labels_loss
from objectives.training.methods.method import Seen, TrainingMethod
from spaces import Softened


class LogitTraining(TrainingMethod):
    """(1 - alpha) * CE + alpha * T^2 * KL(teacher || student), mean over images."""

    def __init__(self, settings: Softened) -> None:
        super().__init__(settings)
        self._alpha, self._temperature = settings.alpha, settings.temperature

    def forward(
        self,
        student: Seen,
        teacher: Seen | None,
        batch: Batch,
        epoch: int,  # noqa: ARG002
    ) -> Tensor:
        """Return the loss; without a teacher (alpha 0) the labels' part alone."""
        labels_part = labels_loss(student.logits, batch)
        if teacher is None:
            return labels_part
        return weighed(labels_part, self.divergence(student.logits, teacher.logits), self._alpha)

    def divergence(self, student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
        """Return the teacher's part of the loss; logits are [b, classes]."""
        return softened_divergence(student_logits, teacher_logits, self._temperature)
