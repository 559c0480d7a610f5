"""Relational knowledge distillation (Park, Kim, Lu and Cho, CVPR 2019, section 3.2)."""

import torch
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn.functional import smooth_l1_loss

from objectives.data import Batch
from objectives.training.methods.features import EmbeddingTraining, Pairs
from spaces import Rkd

_TINY = 1e-12
_LEAST_APART = 1e-3
"""Of the mean distance: below it a direction is shortened."""


class RkdTraining(EmbeddingTraining):
    """distance_weight * mean h(d(S), d(T)) + angle_weight * mean h(a(S), a(T)), beside Logit's.

    S [b, e_s] and T [b, e_t] are embeddings of student and teacher, h is the Huber loss with
    threshold 1. d(X) [b, b] are distances between images i and j, over their mean (equations 5 and
    6); a(X) [b, b, b] are cosines of the angles at image i between j and k (equations 8 and 9).
    """

    settings: Rkd

    def compared(self, pairs: Pairs, batch: Batch) -> Tensor:  # noqa: ARG002
        """Return the weighed differences of relations, summed over the layers compared."""
        parts = []
        for student, teacher in pairs:
            distance = smooth_l1_loss(distances_of(student), distances_of(teacher))
            angle = smooth_l1_loss(angles_of(student), angles_of(teacher))
            parts.append(
                self.settings.distance_weight * distance + self.settings.angle_weight * angle
            )
        return torch.stack(parts).sum()


def distances_of(embedding: Tensor) -> Tensor:
    """Return the distances [b, b] between rows [b, e], over the mean of those that are not 0.

    They are 0 where all rows are equal.
    """
    distances = torch.cdist(embedding, embedding, compute_mode="donot_use_mm_for_euclid_dist")
    apart = (distances > 0).sum().clamp_min(1)
    return distances / (distances.sum() / apart).clamp_min(_TINY)


def angles_of(embedding: Tensor) -> Tensor:
    """Return the cosines [b, b, b] at row i of the angles between rows j and k of [b, e].

    Rows that are all but equal have no direction to each other that could be learned: the gradient
    would be the larger the nearer they are.
    """
    apart = embedding[None] - embedding[:, None]
    lengths = vector_norm(apart, dim=2, keepdim=True)
    least = (_LEAST_APART * lengths.detach().mean()).clamp_min(_TINY)
    towards = apart / lengths.clamp_min(least)
    return torch.bmm(towards, towards.transpose(1, 2))
