"""Codes of a layer's weights that keep what the layer gives, not each weight (see moments)."""

import numpy as np
import torch
from torch import Tensor

from objectives.quantization.adaround import adaround
from objectives.quantization.moments import Moments, output_error, products
from objectives.quantization.weights import Form, QuantizedWeight, fitted_scale

_MOST_WORK = 4e8
"""Outputs of a layer times the square of how many inputs each has: of a larger layer, as at the end
of a ResNet-18, learning would take minutes and more, and gpfq chooses in seconds."""
_STRETCH = 64
"""Codes, one after another, between two products of matrices in gpfq."""
_ROUNDS, _SWEEPS = 8, 3
"""Scales are fitted anew after so many sweeps, so often at most."""


def chosen_weight(
    weight: np.ndarray,
    form: Form,
    floor: np.ndarray | None,
    moments: Moments,
    rounding: str,
    keeps_zeros: bool = False,
) -> QuantizedWeight:
    """Return `weight` [out, ...] with the codes and scales that a rounding finds.

    floor: the least scales [out], where there are any. rounding: a name in spaces.ROUNDINGS, but
    for nearest; of a very large layer gpfq stands for all. keeps_zeros: a weight that is zero has
    the code 0, what its neighbours make up for. Raises KeyError for another rounding.
    """
    rows, moments = torch.from_numpy(weight).flatten(1).double(), moments.damped()
    if rounding in _CHOICES and rows.shape[0] * rows.shape[1] ** 2 > _MOST_WORK:
        rounding = "gpfq"
    least = torch.zeros(1) if floor is None else torch.from_numpy(floor)
    diagonal = moments.own.diagonal(dim1=1, dim2=2)
    counts = diagonal.repeat_interleave(len(rows) // len(diagonal), 0)
    scale = _allowed(fitted_scale(rows, form, counts), form, least)
    kept = rows != 0 if keeps_zeros else None
    codes = _CHOICES[rounding](rows, scale, form, moments, kept)
    if rounding in ("quantease", "refined"):
        codes, scale = _alternated(rows, codes, scale, form, least, moments, kept)
    found = codes.reshape(weight.shape).to(torch.int8).numpy()
    return QuantizedWeight(found, scale.float().contiguous().numpy(), form)


def _allowed(scale: Tensor, form: Form, least: Tensor) -> Tensor:
    """Return scales [out, blocks] that a file can hold, none below its channel's `least`."""
    raised = torch.maximum(scale, least.to(scale.dtype)[:, None])
    if form.granularity == "tensor":
        raised = raised.amax().expand_as(raised)
    return form.storable(raised)


def _alternated(
    rows: Tensor,
    codes: Tensor,
    scale: Tensor,
    form: Form,
    least: Tensor,
    moments: Moments,
    kept: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Return the codes and scales of QuantEase: both by turns, while the error falls."""
    best, error = (codes, scale), float("inf")
    for _ in range(_ROUNDS):
        codes = coordinate_descent(rows, codes, scale, form, moments, _SWEEPS, kept)
        found = output_error(rows, codes * form.steps(scale, rows.shape[1]), moments).sum()
        if not found < error:
            break
        best, error = (codes, scale), float(found)
        scale = _allowed(best_scale(rows, codes, scale, form, moments), form, least)
    return best


def gpfq(
    weight: Tensor, scale: Tensor, form: Form, moments: Moments, kept: Tensor | None = None
) -> Tensor:
    """Return codes [out, d] of `weight` by GPFQ (Lybrand and Saab 2021; Zhang, Zhou, Saab 2023).

    Greedy path following: code t is the one nearest to (sum_{j<=t} G_tj w_j - sum_{j<t} H_tj q_j) /
    H_tt. scale: [out, blocks]. kept: [out, d], false where the code is 0 whatever is nearest.
    """
    rows, steps, diagonal = _taken_apart(weight, scale, form, moments)
    free = None if kept is None else kept.reshape(rows.shape)
    codes, taken, wide = torch.zeros_like(rows), torch.zeros_like(rows), rows.shape[2]
    for start in range(0, wide, _STRETCH):
        end = min(start + _STRETCH, wide)
        # What the codes before the stretch leave of both sums, by one product of matrices each.
        left = rows[:, :, :end] @ moments.crossed[:, start:end, :end].tril(start).mT
        left -= taken[:, :, :start] @ moments.own[:, start:end, :start].mT
        for t in range(start, end):
            nearest = left[:, :, t - start] / diagonal[:, t : t + 1] / steps[:, :, t]
            codes[:, :, t] = nearest.round().clamp(-form.limit, form.limit)
            if free is not None:
                codes[:, :, t] *= free[:, :, t]
            taken[:, :, t] = codes[:, :, t] * steps[:, :, t]
            after = left[:, :, t - start + 1 :]
            after -= taken[:, :, t, None] * moments.own[:, None, t, t + 1 : end]
    return codes.reshape(weight.shape)


def _up_or_down(
    weight: Tensor, scale: Tensor, form: Form, moments: Moments, kept: Tensor | None
) -> Tensor:
    steps = form.steps(scale, weight.shape[1])
    return adaround(weight, steps, form.limit, moments, kept)


_CHOICES = {"gpfq": gpfq, "quantease": gpfq, "adaround": _up_or_down, "refined": _up_or_down}
"""By rounding, how codes are chosen for given scales; quantease and refined go on from there."""


def coordinate_descent(
    weight: Tensor,
    codes: Tensor,
    scale: Tensor,
    form: Form,
    moments: Moments,
    sweeps: int,
    kept: Tensor | None = None,
) -> Tensor:
    """Return codes [out, d] after sweeps over single codes (QuantEase, Behdin et al. 2023).

    Code t becomes the best one, all others as they are: that nearest to
    (G w)_t - sum_{j != t} H_tj q_j over H_tt. The output's error never grows. kept: [out, d], false
    where the code stays.
    """
    rows, steps, diagonal = _taken_apart(codes, scale, form, moments)
    rows = rows.clone()
    free = None if kept is None else kept.reshape(rows.shape)
    missing = _missing(weight, rows.reshape(codes.shape) * steps.reshape(codes.shape), moments)
    missing = missing.reshape(rows.shape)
    for _ in range(sweeps):
        before = rows.clone()
        for t in range(rows.shape[2]):
            best = rows[:, :, t] + missing[:, :, t] / diagonal[:, t : t + 1] / steps[:, :, t]
            best = best.round().clamp(-form.limit, form.limit)
            if free is not None:
                best = torch.where(free[:, :, t], best, rows[:, :, t])
            change = (best - rows[:, :, t]) * steps[:, :, t]
            missing -= change[:, :, None] * moments.own[:, None, :, t]
            rows[:, :, t] = best
        if torch.equal(rows, before):
            break
    return rows.reshape(codes.shape)


def best_scale(
    weight: Tensor, codes: Tensor, scale: Tensor, form: Form, moments: Moments
) -> Tensor:
    """Return scales [out, blocks] that are better for these codes q, each block's after another.

    A block's is the best while the others stay: <q, G w - H (the others)> / <q, H q> over its own
    weights. Where that is not positive, as for a block of zeros, its scale stays.
    """
    scale, size = scale.clone(), form.blocks(codes).shape[2]
    for block in range(scale.shape[1]):
        own = torch.zeros_like(codes)
        own[:, block * size : (block + 1) * size] = codes[:, block * size : (block + 1) * size]
        others = (codes - own) * form.steps(scale, codes.shape[1])
        wanted = form.together((own * _missing(weight, others, moments)).sum(1, keepdim=True))
        curved = form.together((own * products(own, moments.own)).sum(1, keepdim=True))
        found = (wanted / curved)[:, 0]
        usable = torch.isfinite(found) & (found > 0)
        scale[:, block] = torch.where(usable, found, scale[:, block])
    return scale


def _missing(weight: Tensor, quantized: Tensor, moments: Moments) -> Tensor:
    """Return G w - H q, [out, d]."""
    return products(weight, moments.crossed) - products(quantized, moments.own)


def _taken_apart(
    rows: Tensor, scale: Tensor, form: Form, moments: Moments
) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows and their weights' scales [groups, out, d], and H's diagonal [groups, d]."""
    groups, wide = len(moments.own), rows.shape[1]
    steps = form.steps(scale, wide).reshape(groups, -1, wide)
    return rows.reshape(groups, -1, wide), steps, moments.own.diagonal(dim1=1, dim2=2)
