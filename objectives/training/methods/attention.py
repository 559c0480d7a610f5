"""Attention transfer (Zagoruyko and Komodakis, ICLR 2017, section 3.1)."""

import torch
from torch import Tensor
from torch.nn.functional import mse_loss, normalize

from objectives.data import Batch
from objectives.training.methods.features import MapTraining, Pairs
from spaces import Attention


class AttentionTraining(MapTraining):
    """weight * sum over layers of mean((Q(S) - Q(T))^2), beside what Logit computes.

    S [b, c_s, h, w] and T [b, c_t, h, w] are maps of student and teacher, the larger one pooled to
    the smaller; Q(A) [b, h * w] is mean over c of A^2, over its Euclidean norm of each image
    (equation 2 with p = 2). The mean over images and pixels is that of the code of Tian et al.
    2020; the paper has the norm of the difference in its place.
    """

    settings: Attention

    def compared(self, pairs: Pairs, batch: Batch) -> Tensor:  # noqa: ARG002
        """Return the weighed differences of attention."""
        parts = [mse_loss(attention_of(ours), attention_of(theirs)) for ours, theirs in pairs]
        return self.settings.weight * torch.stack(parts).sum()


def attention_of(maps: Tensor) -> Tensor:
    """Return where maps [b, c, h, w] are large, [b, h * w], of norm 1 an image."""
    return normalize(maps.square().mean(1).flatten(1))
