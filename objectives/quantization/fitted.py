"""Weights rounded to nearest on the grid that loses least of them."""

import torch
from torch import Tensor

_LEAST_SHARE, _GRIDS = 0.3, 15
"""Of a channel's largest weight: what its last code may stand for, and how many shares are tried.
With 8 a network that learns at 2 bits comes out a point lower; with finer ones no higher."""
_AT_ONCE = 2**18
"""Weights that are tried on all grids at once: there are as many copies of them."""


@torch.no_grad()
def fitted_weight(weight: Tensor, bits: int) -> Tensor:
    """Return `weight` [out, ...] rounded to symmetric codes of `bits`, in floats.

    The scale of each output channel is the one with the least squared error among those with which
    the last code is a share, at most 1, of the channel's largest weight. So the largest code of a
    channel is always the last one, but for a channel of zeros, and what is returned is rounded to
    the same codes by `quantize_weight`, whatever gain a folded batch norm gives the channel.
    """
    limit = 2 ** (bits - 1) - 1
    rows = weight.flatten(1)
    scale = torch.cat([_best_scale(part, limit) for part in _parts(rows)])
    codes = (rows / scale[:, None]).round_().clamp_(-limit, limit)
    # A weight may lie in memory otherwise than its rows do.
    return torch.empty_like(weight).copy_(codes.mul_(scale[:, None]).view(weight.shape))


def _parts(rows: Tensor) -> tuple[Tensor, ...]:
    return torch.split(rows, max(1, _AT_ONCE // rows.shape[1]))


def _best_scale(rows: Tensor, limit: int) -> Tensor:
    """Return the scale [out] of rows [out, d]; the smallest of equally good ones."""
    largest = rows.abs().amax(1).clamp_min(1e-30) / limit
    # Made where the weights are: to copy them there would wait for the device.
    shares = torch.linspace(_LEAST_SHARE, 1.0, _GRIDS, dtype=rows.dtype, device=rows.device)
    scales = shares[:, None] * largest
    steps = scales[:, :, None]
    rounded = (rows / steps).round_().clamp_(-limit, limit).mul_(steps)
    best = rounded.sub_(rows).square_().sum(2).argmin(0)
    return scales.gather(0, best[None])[0]
