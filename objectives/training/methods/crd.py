"""Contrastive representation distillation (Tian, Krishnan and Isola, ICLR 2020, section 3.2)."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from objectives.data import Batch
from objectives.training.methods.features import EmbeddingTraining, Pairs
from objectives.training.methods.method import Seen
from spaces import Crd

_TINY = 1e-7
"""Of the authors' code."""


class CrdTraining(EmbeddingTraining):
    """weight * (L(S, M_T) + L(T, M_S)), summed over the layers compared, beside Logit's.

    S and T [b, d] are embeddings of student and teacher behind a learned linear map, of norm 1;
    M_S and M_T [n, d] remember those of all training images. L contrasts each image i with itself
    and with K images j of other classes, drawn anew with replacement (equation 18 with 17):
    L(X, M) = -mean over i of log h(i, i) + sum over j of log(1 - h(i, j)),
    h(i, j) = p / (p + K / n), p = exp(X_i . M_j / temperature) / Z; Z is n times the mean of the
    first batch. Then M_i becomes momentum * M_i + (1 - momentum) * X_i, of norm 1.
    """

    settings: Crd
    learns = True

    def prepare(self, student: Seen, teacher: Seen | None, labels: Tensor) -> None:
        """Make the linear maps and the memories."""
        self.negatives = _Negatives(labels)
        self.contrasts = nn.ModuleList(
            Contrast(self.settings, ours.shape[1], theirs.shape[1], len(labels))
            for ours, theirs in self.pairs(student, teacher)
        )

    def compared(self, pairs: Pairs, batch: Batch) -> Tensor:
        """Return the weighed contrast, and remember the batch."""
        others = self.negatives(batch.labels, self.settings.negatives)
        chosen = torch.cat([batch.positions[:, None], others], dim=1)
        both = zip(self.contrasts, pairs, strict=True)
        parts = [contrast(ours, theirs, chosen) for contrast, (ours, theirs) in both]
        return self.settings.weight * torch.stack(parts).sum()


class Contrast(nn.Module):
    """The loss of one pair of layers, with what it learns and remembers."""

    memory_student: Tensor
    memory_teacher: Tensor
    scale_student: Tensor
    scale_teacher: Tensor

    def __init__(self, settings: Crd, ours: int, theirs: int, images: int) -> None:
        """Ours and theirs: values of the embeddings of student and teacher. Global RNG."""
        super().__init__()
        self._settings = settings
        self.student = nn.Linear(ours, settings.embedded)
        self.teacher = nn.Linear(theirs, settings.embedded)
        bound = math.sqrt(3 / settings.embedded)
        for name in ("student", "teacher"):
            memory = (2 * torch.rand(images, settings.embedded) - 1) * bound
            self.register_buffer(f"memory_{name}", memory)
            self.register_buffer(f"scale_{name}", torch.zeros(()))

    def forward(self, student: Tensor, teacher: Tensor, chosen: Tensor) -> Tensor:
        """Return the contrast, and remember the batch.

        student [b, e_s], teacher [b, e_t]; chosen [b, 1 + K]: positions of the images themselves,
        then of those that they are contrasted with.
        """
        ours, theirs = normalize(self.student(student)), normalize(self.teacher(teacher))
        loss, self.scale_student = self._contrast(
            ours, self.memory_teacher, chosen, self.scale_student
        )
        other, self.scale_teacher = self._contrast(
            theirs, self.memory_student, chosen, self.scale_teacher
        )
        self.memory_student = self._remembering(self.memory_student, ours, chosen[:, 0])
        self.memory_teacher = self._remembering(self.memory_teacher, theirs, chosen[:, 0])
        return loss + other

    def _contrast(
        self, embedding: Tensor, memory: Tensor, chosen: Tensor, scale: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the loss and the scale Z, which is 0 before the first batch."""
        images = len(memory)
        # With all, then those that are chosen: to gather K rows an image takes K times the memory.
        likeness = (embedding @ memory.T).gather(1, chosen)
        likely = torch.exp(likeness / self._settings.contrast_temperature)
        scale = torch.where(scale > 0, scale, likely.detach().mean() * images)
        likely = likely / scale
        noise = (chosen.shape[1] - 1) / images
        itself = torch.log(likely[:, 0] / (likely[:, 0] + noise + _TINY))
        others = torch.log(noise / (likely[:, 1:] + noise + _TINY))
        return -(itself.sum() + others.sum()) / len(chosen), scale

    def _remembering(self, memory: Tensor, embedding: Tensor, positions: Tensor) -> Tensor:
        """Return another tensor: the gradient of the loss still needs the old one."""
        kept = self._settings.memory_momentum
        seen = kept * memory[positions] + (1 - kept) * embedding.detach()
        return memory.index_copy(0, positions, normalize(seen))


class _Negatives(nn.Module):
    """Draws images of other classes."""

    order: Tensor
    counts: Tensor

    def __init__(self, labels: Tensor) -> None:
        """Labels: int64 [n], of all images."""
        super().__init__()
        # They follow from the data: no checkpoint needs them.
        self.register_buffer("order", labels.argsort(stable=True), persistent=False)
        self.register_buffer("counts", labels.bincount(), persistent=False)

    def forward(self, labels: Tensor, count: int) -> Tensor:
        """Return positions [b, count] of images that are not of class `labels` [b]; global RNG."""
        own = self.counts[labels][:, None]
        first = (self.counts.cumsum(0) - self.counts)[labels][:, None]
        draws = torch.rand(len(labels), count, device=labels.device, dtype=torch.float64)
        rank = (draws * (len(self.order) - own)).long()
        # Images are in the order of their classes: those of the own one are stepped over.
        return self.order[rank + own * (rank >= first)]
