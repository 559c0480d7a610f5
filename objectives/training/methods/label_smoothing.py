"""Label smoothing (Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, CVPR 2016, section 7)."""

from torch import Tensor

from objectives.data import Batch
from objectives.training.methods.labels import labels_loss
from objectives.training.methods.method import Seen, TrainingMethod
from spaces import LabelSmoothing


class LabelSmoothingTraining(TrainingMethod):
    """H(y', q), with y' = (1 - smoothing) * onehot(y) + smoothing / classes, mean over images.

    q [b, classes] is the softmax of the student's logits, y [b] the labels. Where classes have
    weights, every class's term has its own, and the mean is over the weights of the labels.
    """

    settings: LabelSmoothing

    def forward(
        self,
        student: Seen,
        teacher: Seen | None,  # noqa: ARG002
        batch: Batch,
        epoch: int,  # noqa: ARG002
    ) -> Tensor:
        """Return the loss."""
        return labels_loss(student.logits, batch, smoothing=self.settings.smoothing)
