"""What a student is trained to minimise."""

from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax


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


def distillation_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    *,
    temperature: float,
    alpha: float,
) -> Tensor:
    """Return (1 - alpha) * cross-entropy + alpha * softened divergence, mean over images."""
    teacher_part = softened_divergence(student_logits, teacher_logits, temperature)
    if alpha == 1:
        return teacher_part
    return (1 - alpha) * cross_entropy(student_logits, labels) + alpha * teacher_part
