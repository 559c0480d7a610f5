"""Weighted transformed teacher matching (Zheng and Yang, ICLR 2024, sections 3 and 4)."""

from torch import Tensor
from torch.nn.functional import kl_div, log_softmax

from objectives.training.methods.added import AddedTraining
from spaces import Wttm


class WttmTraining(AddedTraining):
    """CE + beta * U(p) * KL(p' || q), mean over images.

    p, q [b, classes] are the softmax of the teacher's and the student's logits as they are, and
    p' = p^(1/T) / U(p) with U(p) = sum of p^(1/T) over classes: the teacher's softened, as softmax
    of its logits over T. U is the larger the less sure the teacher is, and counts its image more.
    The student is not softened, so nothing is multiplied by T^2.
    """

    settings: Wttm

    def added(self, student: Tensor, teacher: Tensor, labels: Tensor, epoch: int) -> Tensor:  # noqa: ARG002
        """Return the teacher's part of the loss."""
        powers = log_softmax(teacher, 1) / self.settings.temperature
        unsure = powers.exp().sum(1)
        ours, theirs = log_softmax(student, 1), log_softmax(powers, 1)
        divergence = kl_div(ours, theirs, reduction="none", log_target=True).sum(1)
        return self.settings.beta * (unsure * divergence).mean()
