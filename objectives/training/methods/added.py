"""Methods that add to the cross-entropy what they make of both networks' logits."""

from torch import Tensor

from objectives.data import Batch
from objectives.training.methods.labels import labels_loss
from objectives.training.methods.method import Seen, TrainingMethod


class AddedTraining(TrainingMethod):
    """Base of methods whose loss is CE + (theirs), mean over images."""

    def forward(self, student: Seen, teacher: Seen | None, batch: Batch, epoch: int) -> Tensor:
        """Return the loss; without a teacher the labels' part alone."""
        labels_part = labels_loss(student.logits, batch)
        if teacher is None:
            return labels_part
        return labels_part + self.added(student.logits, teacher.logits, batch.labels, epoch)

    def added(self, student: Tensor, teacher: Tensor, labels: Tensor, epoch: int) -> Tensor:
        """Return the teacher's part, weighed; logits are [b, classes], labels [b].

        Only a method whose settings say `needs_labels` may use the labels: mixed images have two.
        """
        raise NotImplementedError
