"""Mixing the images of a batch with each other, and so their labels."""

from dataclasses import replace
from functools import partial
from typing import assert_never

import torch
from scipy.special import betaincinv  # scipy.stats takes a second to import
from torch import Generator, Tensor

from objectives.data.batch import Batch, Mixed
from spaces import Views


def mixed(batch: Batch, views: Views, draws: Generator) -> Batch:
    """Return the batch with each image mixed with another of it; `draws` is a CPU generator.

    As in the authors' code, one share is drawn for the whole batch, and what the teacher sees is
    mixed alike. mixup (Zhang, Cisse, Dauphin and Lopez-Paz, ICLR 2018): share * x + (1 - share) *
    x'. CutMix (Yun et al., ICCV 2019, algorithm 1): a box of x' in x whose sides are those of the
    image times sqrt(1 - share), about a point anywhere; what is outside is cut off, and the labels
    have the shares of the pixels.
    """
    if views.mix == "none":
        return batch
    first, *place = torch.rand(3, generator=draws, dtype=torch.float64).tolist()
    share = float(betaincinv(views.mix_alpha, views.mix_alpha, first))
    partners = torch.randperm(len(batch.labels), generator=draws).to(batch.labels.device)
    if views.mix == "mixup":
        blend = partial(_added, share=share)
    elif views.mix == "cutmix":
        size = batch.images.shape[-1]
        rows, columns = (_span(size, share, where) for where in place)
        share = 1 - (rows.stop - rows.start) * (columns.stop - columns.start) / size**2
        blend = partial(_pasted, rows=rows, columns=columns)
    else:
        assert_never(views.mix)
    theirs = batch.teacher_images
    return replace(
        batch,
        images=blend(batch.images, batch.images[partners]),
        teacher_images=None if theirs is None else blend(theirs, theirs[partners]),
        mixed=Mixed(batch.labels[partners], share),
    )


def _added(images: Tensor, others: Tensor, share: float) -> Tensor:
    return images * share + others * (1 - share)


def _pasted(images: Tensor, others: Tensor, rows: slice, columns: slice) -> Tensor:
    pasted = images.clone()
    pasted[:, :, rows, columns] = others[:, :, rows, columns]
    return pasted


def _span(size: int, share: float, where: float) -> slice:
    """Return the box's part of a side of `size` pixels; where: of its middle, in [0, 1)."""
    half, middle = int(size * (1 - share) ** 0.5) // 2, int(where * size)
    return slice(max(middle - half, 0), min(middle + half, size))
