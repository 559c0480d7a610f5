"""Distances of softened outputs that several methods share."""

from torch import Tensor
from torch.nn.functional import kl_div, log_softmax


def softened_divergence(
    student_logits: Tensor, teacher_logits: Tensor, temperature: float
) -> Tensor:
    """Return T^2 * KL(softmax(teacher / T) || softmax(student / T)), mean over images, in nats.

    Logits are [n, classes]. The factor T^2 keeps gradients at one size whatever T is
    (Hinton 2015, section 2).
    """
    divergence = kl_div(
        log_softmax(student_logits / temperature, dim=1),
        log_softmax(teacher_logits / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    return divergence * temperature**2


def weighed(labels_part: Tensor, teacher_part: Tensor, alpha: float) -> Tensor:
    """Return (1 - alpha) * labels_part + alpha * teacher_part."""
    if alpha == 1:
        return teacher_part
    return (1 - alpha) * labels_part + alpha * teacher_part
