"""Knowledge distillation from a stronger teacher (Huang, You, Wang, Qian and Xu, NeurIPS 2022)."""

from torch import Tensor
from torch.linalg import vector_norm

from objectives.training.methods.added import AddedTraining
from spaces import Dist

_TINY = 1e-8
"""Of the authors' code: for rows that do not vary, as every class does in a batch of one image."""


class DistTraining(AddedTraining):
    """CE + T^2 * (beta * mean_i d(q_i, p_i) + gamma * mean_j d(q^j, p^j)), equations 6 to 10.

    p, q [b, classes] are the softmax of the teacher's and the student's logits over T, p_i their
    row of image i and p^j their column of class j. d(u, v) = 1 - Pearson's correlation of u and v:
    what counts is which entries are larger and by how much beside others, not how large they are.
    What does not vary has correlation 0. T^2 is that of the authors' code.
    """

    settings: Dist

    def added(self, student: Tensor, teacher: Tensor, labels: Tensor, epoch: int) -> Tensor:  # noqa: ARG002
        """Return the teacher's part of the loss."""
        temperature = self.settings.temperature
        q, p = (student / temperature).softmax(1), (teacher / temperature).softmax(1)
        between, within = pearson_distance(q, p), pearson_distance(q.T, p.T)
        return temperature**2 * (self.settings.beta * between + self.settings.gamma * within)


def pearson_distance(ours: Tensor, theirs: Tensor) -> Tensor:
    """Return 1 - the correlation of two rows, mean over the rows; both are [rows, columns]."""
    u, v = ours - ours.mean(1, keepdim=True), theirs - theirs.mean(1, keepdim=True)
    lengths = vector_norm(u, dim=1) * vector_norm(v, dim=1)
    correlation = (u * v).sum(1) / (lengths + _TINY)
    distance: Tensor = 1 - correlation.mean()
    return distance
