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
        both = zip(self.contrasts, pairs, strict=True)
        parts = [contrast(*pair, batch.positions, others) for contrast, pair in both]
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

    def forward(
        self, student: Tensor, teacher: Tensor, positions: Tensor, others: Tensor
    ) -> Tensor:
        """Return the contrast, and remember the batch.

        student [b, e_s], teacher [b, e_t]; positions [b] of the images, others [b, K]: of those
        that each is contrasted with.
        """
        ours, theirs = normalize(self.student(student)), normalize(self.teacher(teacher))
        # To gather K rows an image takes much memory, and a GPU sums the gradient of that in no
        # fixed order. So all are compared, and count as often as they were drawn.
        times = ours.new_zeros(len(ours), len(self.memory_student))
        times = times.scatter_add(1, others, torch.ones_like(others, dtype=times.dtype))
        ours_with, theirs_with = ours @ self.memory_teacher.T, theirs @ self.memory_student.T
        own = positions[:, None]
        loss, self.scale_student = self._contrast(ours_with, own, times, self.scale_student)
        other, self.scale_teacher = self._contrast(theirs_with, own, times, self.scale_teacher)
        self.memory_student = self._remembering(self.memory_student, ours, positions)
        self.memory_teacher = self._remembering(self.memory_teacher, theirs, positions)
        return loss + other

    def _contrast(
        self, likeness: Tensor, own: Tensor, times: Tensor, scale: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the loss and the scale Z, which is 0 before the first batch.

        likeness [b, n] with every image remembered; own [b, 1]: which of them is the image itself;
        times [b, n]: how often each is contrasted with it.
        """
        images, drawn = likeness.shape[1], times.sum(1).mean()
        likely = torch.exp(likeness / self._settings.contrast_temperature)
        itself = likely.gather(1, own)
        if not scale:
            mean = (itself[:, 0] + (likely * times).sum(1)).mean() / (1 + drawn)
            scale = mean.detach() * images
        noise = drawn / images
        right = torch.log(itself / (itself + scale * (noise + _TINY)))
        wrong = torch.log(noise / (likely / scale + noise + _TINY)) * times
        return -(right.sum() + wrong.sum()) / len(own), scale

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
