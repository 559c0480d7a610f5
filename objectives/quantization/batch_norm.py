"""Batch norm folded into the convolution before it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class BatchNorm:
    """A batch norm's tensors, each [channels], and its epsilon."""

    scale: NDArray[np.float32]
    shift: NDArray[np.float32]
    mean: NDArray[np.float32]
    variance: NDArray[np.float32]
    epsilon: float


def fold_batch_norm(
    weight: NDArray[np.float32], bias: NDArray[np.float32] | None, norm: BatchNorm
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return weight [out, in / groups, h, w] and bias [out] of a convolution with `norm` in it.

    Computed in float64 and rounded once, so that a channel of tiny variance loses nothing twice.
    """
    gain = norm.scale.astype(np.float64) / np.sqrt(norm.variance.astype(np.float64) + norm.epsilon)
    before = 0.0 if bias is None else bias.astype(np.float64)
    folded_weight = weight.astype(np.float64) * gain.reshape(-1, *[1] * (weight.ndim - 1))
    folded_bias = norm.shift.astype(np.float64) + (before - norm.mean) * gain
    return folded_weight.astype(np.float32), folded_bias.astype(np.float32)
