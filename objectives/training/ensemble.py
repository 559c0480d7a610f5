"""Several teachers as one."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from objectives.data import resized
from objectives.training.methods import Sized
from spaces import InputError


class MeanOfTeachers(nn.Module):
    """Gives log(mean_k softmax(z_k)), [n, classes], of its members' logits z_k.

    Its softmax is the mean of their probabilities (Hinton et al. 2015, section 1: the arithmetic
    mean of an ensemble's predictions). A member sees the images at its own size. It has no layers
    that a student's could be compared with.
    """

    def __init__(self, members: Sequence[Sized]) -> None:
        super().__init__()
        self.members = nn.ModuleList(network for network, _ in members)
        self.sizes = tuple(size for _, size in members)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [n, 3, h, w] to logits."""
        said = [
            log_softmax(member(resized(images, size)), dim=1)
            for member, size in zip(self.members, self.sizes, strict=True)
        ]
        return torch.stack(said).logsumexp(0) - math.log(len(said))


def single(teacher: Sized, method: str) -> Sized:
    """Return a teacher that `method` trains on; raises InputError where it is several networks."""
    if isinstance(teacher[0], MeanOfTeachers):
        raise InputError(
            f"{method} trains its teacher on, and an ensemble is several networks: let it learn "
            "from one, or by a method of logits"
        )
    return teacher
