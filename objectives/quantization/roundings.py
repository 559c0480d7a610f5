"""Codes of a layer's weights that keep what the layer gives, not each weight.

Every method here asks the same of calibration images: sums of products of what the layer reads, X
in the float network and X' in the network whose earlier layers are rounded already, an example a
column. With weights W [out, d] and what they become, Q, the squared error |W X - Q X'|^2 over all
examples is, but for what does not depend on Q, tr(Q H Q^T) - 2 tr(Q G W^T) with G = X' X^T and
H = X' X'^T. So images are looked at once, whatever is tried, and a method's time does not depend on
how many there are.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from objectives.quantization.weights import QuantizedWeight

_DAMPING = 1e-4
"""Of the mean of H's diagonal: what the images never show keeps its weights."""
_SHARES = torch.linspace(0.3, 1.0, 15, dtype=torch.float64)
"""Of a channel's largest weight: what the last code may stand for."""
_ROUNDS, _SWEEPS = 8, 3
"""Scales are fitted anew after so many sweeps, so often at most."""


@dataclass(frozen=True)
class Moments:
    """Sums over examples, a matrix a group of a convolution: [groups, d, d] in float64."""

    crossed: Tensor
    """G: row by what is read now, column by what the float network reads."""
    own: Tensor
    """H."""

    def damped(self) -> "Moments":
        """Return these with a little of the error of each weight in them."""
        size = self.own.shape[-1]
        mean = self.own.diagonal(dim1=1, dim2=2).mean(1)
        added = torch.eye(size, dtype=self.own.dtype) * (_DAMPING * mean + 1e-30)[:, None, None]
        return Moments(self.crossed + added, self.own + added)


def chosen_weight(
    weight: np.ndarray,
    nearest: QuantizedWeight,
    floor: np.ndarray | None,
    moments: Moments,
    rounding: str,
) -> QuantizedWeight:
    """Return `weight` [out, ...] with the codes and scales that a rounding finds.

    nearest: the same, rounded to nearest. floor: the least scales [out], where there are any.
    rounding: a name in spaces.ROUNDINGS. Raises KeyError for another.
    """
    rows = torch.from_numpy(weight).flatten(1).double()
    limit = 2 ** (nearest.bits - 1) - 1
    least = torch.zeros(len(rows)) if floor is None else torch.from_numpy(floor)
    moments, least = moments.damped(), least.double()
    scale = torch.maximum(fitted_scale(rows, limit, moments), least)
    codes = gpfq(rows, scale, limit, moments)
    if rounding == "quantease":
        error = output_error(rows, codes * scale[:, None], moments).sum()
        for _ in range(_ROUNDS):
            codes = coordinate_descent(rows, codes, scale, limit, moments, _SWEEPS)
            scale = torch.maximum(best_scale(rows, codes, scale, moments), least)
            before, error = error, output_error(rows, codes * scale[:, None], moments).sum()
            if not error < before:
                break
    elif rounding != "gpfq":
        raise KeyError(rounding)
    found = codes.reshape(weight.shape).to(torch.int8).numpy()
    return replace(nearest, codes=found, scale=scale.float().numpy())


def fitted_scale(weight: Tensor, limit: int, moments: Moments) -> Tensor:
    """Return the scale [out] with the least error of each weight, each counting as much as H says.

    It is one of those with which the last code is a share of the channel's largest weight.
    """
    groups = len(moments.own)
    counts = moments.own.diagonal(dim1=1, dim2=2)
    counts = counts.repeat_interleave(len(weight) // groups, 0)
    largest = weight.abs().amax(1).clamp_min(1e-30) / limit
    candidates = [float(share) * largest for share in _SHARES]
    errors = torch.stack(
        [
            (counts * (weight - _nearest(weight, scale, limit) * scale[:, None]) ** 2).sum(1)
            for scale in candidates
        ]
    )
    best = errors.argmin(0)
    return torch.stack(candidates).gather(0, best[None])[0]


def output_error(weight: Tensor, quantized: Tensor, moments: Moments) -> Tensor:
    """Return each output's squared error, less what it is with no weights at all: [out].

    weight, quantized: [out, d], the outputs of a group behind each other.
    """
    wanted = _products(weight, moments.crossed)
    own = _products(quantized, moments.own)
    return (quantized * (own - 2 * wanted)).sum(1)


def gpfq(weight: Tensor, scale: Tensor, limit: int, moments: Moments) -> Tensor:
    """Return codes [out, d] of `weight` by GPFQ (Lybrand and Saab 2021; Zhang, Zhou, Saab 2023).

    Greedy path following: code t is the one nearest to (sum_{j<=t} G_tj w_j - sum_{j<t} H_tj q_j) /
    H_tt. scale: [out]; codes are within +-limit.
    """
    rows, steps, diagonal = _taken_apart(weight, scale, moments)
    codes = torch.zeros_like(rows)
    for t in range(rows.shape[2]):
        seen = torch.einsum("god,gd->go", rows[:, :, : t + 1], moments.crossed[:, t, : t + 1])
        taken = torch.einsum("god,gd->go", codes[:, :, :t], moments.own[:, t, :t]) * steps
        nearest = (seen - taken) / diagonal[:, t : t + 1] / steps
        codes[:, :, t] = nearest.round().clamp(-limit, limit)
    return codes.reshape(weight.shape)


def coordinate_descent(
    weight: Tensor, codes: Tensor, scale: Tensor, limit: int, moments: Moments, sweeps: int
) -> Tensor:
    """Return codes [out, d] after sweeps over single codes (QuantEase, Behdin et al. 2023).

    Code t becomes the best one, all others as they are: that nearest to
    (G w)_t - sum_{j != t} H_tj q_j over H_tt. The output's error never grows.
    """
    rows, steps, diagonal = _taken_apart(codes, scale, moments)
    rows = rows.clone()
    # What is missing in each product, kept up to date.
    missing = _products(weight, moments.crossed) - _products(codes * scale[:, None], moments.own)
    missing = missing.reshape(rows.shape)
    for _ in range(sweeps):
        before = rows.clone()
        for t in range(rows.shape[2]):
            best = rows[:, :, t] + missing[:, :, t] / diagonal[:, t : t + 1] / steps
            best = best.round().clamp(-limit, limit)
            change = (best - rows[:, :, t]) * steps
            missing -= change[:, :, None] * moments.own[:, None, :, t]
            rows[:, :, t] = best
        if torch.equal(rows, before):
            break
    return rows.reshape(codes.shape)


def best_scale(weight: Tensor, codes: Tensor, scale: Tensor, moments: Moments) -> Tensor:
    """Return the scale [out] that is best for these codes: <q, G w> / <q, H q>.

    Where that is not positive, as for a channel of zeros, `scale` stays.
    """
    wanted = (codes * _products(weight, moments.crossed)).sum(1)
    found = wanted / (codes * _products(codes, moments.own)).sum(1)
    return torch.where(torch.isfinite(found) & (found > 0), found, scale)


def _nearest(weight: Tensor, scale: Tensor, limit: int) -> Tensor:
    return (weight / scale[:, None]).round().clamp(-limit, limit)


def _taken_apart(rows: Tensor, scale: Tensor, moments: Moments) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows [groups, out, d], scales [groups, out] and H's diagonal [groups, d]."""
    groups = len(moments.own)
    by_group = rows.reshape(groups, -1, rows.shape[1])
    return by_group, scale.reshape(groups, -1), moments.own.diagonal(dim1=1, dim2=2)


def _products(rows: Tensor, matrices: Tensor) -> Tensor:
    """Return the matrix of each output's group times its row: [out, d]."""
    by_group = rows.reshape(len(matrices), -1, rows.shape[1])
    return (by_group @ matrices.transpose(1, 2)).reshape(rows.shape)
