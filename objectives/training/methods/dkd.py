"""Decoupled knowledge distillation (Zhao, Cui, Song, Qiu and Liang, CVPR 2022, equation 7)."""

import torch
from torch import Tensor

from objectives.training.methods.added import AddedTraining
from objectives.training.methods.divergences import softened_divergence
from spaces import Dkd


class DkdTraining(AddedTraining):
    """CE + min(epoch / warmup_epochs, 1) * (alpha * TCKD + beta * NCKD), mean over images.

    p, q [b, classes] are the softmax of the teacher's and the student's logits over T, and y [b]
    the labels. TCKD = T^2 * KL((p_y, 1 - p_y) || (q_y, 1 - q_y)). NCKD = T^2 * KL(p' || q'), where
    p', q' [b, classes - 1] are p and q among the other classes, each over its sum; of two classes
    it is 0. TCKD + (1 - p_y) * NCKD is plain distillation (equation 6), which hardly hears of the
    other classes where the teacher is sure.
    """

    settings: Dkd

    def added(self, student: Tensor, teacher: Tensor, labels: Tensor, epoch: int) -> Tensor:
        """Return the teacher's part of the loss."""
        temperature = self.settings.temperature
        tckd, nckd = (
            temperature**2 * softened_divergence(ours, theirs, 1.0)
            for ours, theirs in zip(
                decoupled(student / temperature, labels),
                decoupled(teacher / temperature, labels),
                strict=True,
            )
        )
        warmth = min(epoch / self.settings.warmup_epochs, 1.0)
        return warmth * (self.settings.alpha * tckd + self.settings.beta * nckd)


def decoupled(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits of the own class against all others [b, 2], and of the others [b, classes - 1].

    They are gathered and not masked, which would wait for the device in every step.
    """
    own = labels.unsqueeze(1)
    columns = torch.arange(logits.shape[1] - 1, device=labels.device).expand(len(labels), -1)
    others = logits.gather(1, columns + (columns >= own))
    return torch.cat([logits.gather(1, own), others.logsumexp(1, keepdim=True)], 1), others
