"""Logit standardization (Sun, Ren, Li, Wang and Cao, CVPR 2024, section 4 and algorithm 1)."""

from torch import Tensor

from objectives.training.methods.divergences import softened_divergence
from objectives.training.methods.logit import LogitTraining

_TINY = 1e-7
"""Of the authors' code: for a row whose logits are all equal."""


class LogitStdTraining(LogitTraining):
    """(1 - alpha) * CE + alpha * T^2 * KL(softmax(Z(t) / T) || softmax(Z(s) / T)), over images.

    s, t [b, classes] are the student's and the teacher's logits, and Z(x) = (x - mean(x)) / sd(x)
    over the classes of each image: how large logits are is not to be learned, only how they are
    ordered and spaced. The labels' part sees the logits as they are. sd divides by classes - 1, as
    in the authors' code.
    """

    def divergence(self, student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
        """Return the teacher's part of the loss; logits are [b, classes]."""
        student, teacher = standardized(student_logits), standardized(teacher_logits)
        return softened_divergence(student, teacher, self._temperature)


def standardized(logits: Tensor) -> Tensor:
    """Return logits [b, classes] less their mean, over their standard deviation, row by row."""
    deviation = logits.std(dim=1, keepdim=True)
    return (logits - logits.mean(dim=1, keepdim=True)) / (deviation + _TINY)
