"""AdaRound (Nagel et al. 2020): each weight up or down, learned for what the layer gives."""

import torch
from torch import Tensor

from objectives.quantization.moments import Moments, products

_STEPS = 500
_RATE = 0.05
_REACH = 1.2
"""The sigmoid is stretched so far, about its middle, and cut off at 0 and 1: it gets there."""
_ROUNDING = 30.0
"""What a weight halfway costs at most, in what nearest rounding costs a weight on average. Of what
was tried on a ResNet-20's layers (0.1 to 300), 10 and more left the least error."""
_FREE = 0.2
"""Of the steps: rounding costs nothing yet."""
_BETA = (20.0, 2.0)
"""Exponents of the cost of being halfway, from when it begins to the end."""


def adaround(
    weight: Tensor, steps: Tensor, limit: int, moments: Moments, kept: Tensor | None = None
) -> Tensor:
    """Return codes [out, d] of `weight`, each the one below or above weight / steps.

    It minimises tr(Q H Q^T) - 2 tr(Q G W^T) plus a cost of being neither 0 nor 1 (equations 21 to
    24), over all examples at once. weight, steps: [out, d]. kept: [out, d], false where the code is
    0: of a weight that is zero, which is on the grid.
    """
    below = (weight / steps).floor()
    share = (weight / steps - below).float()
    shares = ((share - 0.5) / _REACH + 0.5).logit()
    heavy, steps32, below32 = moments.own.float(), steps.float(), below.float()
    # In what is changed, not in Q: sums of squares of small numbers, safe in 32 bits.
    missing = products(weight, moments.crossed) - products(weight, moments.own)
    exact, missing = weight.float(), missing.float()
    nearest = (weight / steps).round().clamp(-limit, limit).float() * steps32 - exact
    error = (nearest * (products(nearest, heavy) - 2 * missing)).sum()
    unit = float(error.abs().clamp_min(1e-30)) / weight.numel()
    optimizer = torch.optim.Adam([shares], _RATE)
    for step in range(_STEPS):
        gone = step / _STEPS
        up = _stretched(shares)
        if kept is not None:
            up *= kept
        codes = below32 + up
        change = codes.clamp(-limit, limit) * steps32 - exact
        slope = 2 * (products(change, heavy) - missing) * steps32 / unit
        slope[codes.abs() > limit] = 0
        if gone > _FREE:
            beta = _BETA[0] + (_BETA[1] - _BETA[0]) * (gone - _FREE) / (1 - _FREE)
            away = 2 * up - 1
            slope -= _ROUNDING * 2 * beta * away.sign() * away.abs() ** (beta - 1)
        steep = torch.sigmoid(shares)
        inside = (up > 0) & (up < 1)
        shares.grad = slope * torch.where(inside, _REACH * steep * (1 - steep), 0)
        optimizer.step()
    up = _stretched(shares) > 0.5
    if kept is not None:
        up &= kept
    return (below + up).clamp(-limit, limit).to(weight.dtype)


def _stretched(shares: Tensor) -> Tensor:
    """The rectified sigmoid (equation 23)."""
    return ((torch.sigmoid(shares) - 0.5) * _REACH + 0.5).clamp(0, 1)
