"""Codes and scales of weights: symmetric, one scale per output channel, by torchao's primitives."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from objectives.quantization.primitives import (
    MappingType,
    choose_qparams_affine,
    quantize_affine,
)

SMALLEST_SCALE = 2.0**-40
"""Scale of a channel of zeros: any positive number does, small enough to alter no real channel."""


@dataclass(frozen=True)
class QuantizedWeight:
    """A weight as scale[o] * codes[o, ...]."""

    codes: NDArray[np.int8]
    """[out, ...], within +-(2^(bits-1) - 1): symmetric, so the zero point is 0."""
    scale: NDArray[np.float32]
    """[out]"""
    bits: int
    """Bits that a code needs."""

    @property
    def floats(self) -> NDArray[np.float32]:
        """The weight that it stands for, [out, ...]."""
        return self.codes * self.scale.reshape(-1, *[1] * (self.codes.ndim - 1))


def quantize_weight(
    weight: NDArray[np.float32], bits: int, scale_floor: NDArray[np.float32] | None = None
) -> QuantizedWeight:
    """Return `weight` [out, ...] in `bits`, no channel's scale below `scale_floor` [out]."""
    floor = None if scale_floor is None else torch.from_numpy(scale_floor)
    codes, scale = _codes_and_scale(torch.from_numpy(weight), bits, floor)
    return QuantizedWeight(codes.numpy(), scale.numpy(), bits)


@torch.no_grad()
def rounded_weight(weight: Tensor, bits: int) -> Tensor:
    """Return `weight` [out, ...] as `quantize_weight` would hold it, in floats.

    A gain for each output channel, as of a folded batch norm, may come before or after: symmetric
    codes per channel do not depend on it, and the scale is proportional to it.
    """
    codes, scale = _codes_and_scale(weight, bits, None)
    return codes * scale.reshape(-1, *[1] * (weight.ndim - 1))


def _codes_and_scale(floats: Tensor, bits: int, floor: Tensor | None) -> tuple[Tensor, Tensor]:
    limit = 2 ** (bits - 1) - 1
    block = (1, *floats.shape[1:])
    rows = floats.reshape(len(floats), -1)
    # Of rows of one number (a depthwise 1x1 convolution) torchao makes one scale for all.
    rows = rows.expand(-1, max(2, rows.shape[1]))
    scale, zero_point = choose_qparams_affine(
        rows,
        MappingType.SYMMETRIC,
        (1, rows.shape[1]),
        torch.int8,
        quant_min=-limit,
        quant_max=limit,
        eps=SMALLEST_SCALE,
        scale_dtype=torch.float32,
        zero_point_dtype=torch.int32,
    )
    scale, zero_point = scale.flatten(), zero_point.flatten()
    if floor is not None:
        scale = torch.maximum(scale, floor)
    codes = quantize_affine(floats, block, scale, zero_point, torch.int8, -limit, limit)
    return codes, scale


def scale_floor_for_bias(bias: NDArray[np.float32], input_scale: float) -> NDArray[np.float32]:
    """Return the least weight scale [out] with which `bias` fits 32 bits.

    Integer kernels add the bias as a multiple of input_scale * weight scale. A dead channel (all
    weights about zero) would get a scale so small that its bias overflows: the floor prevents it.
    """
    return (np.abs(bias) / (np.float32(input_scale) * np.float32(2**30))).astype(np.float32)


def quantize_bias(
    bias: NDArray[np.float32], input_scale: float, weight_scale: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return codes [out] and scales [out] of a bias as integer kernels add it."""
    scale = np.float32(input_scale) * weight_scale
    codes = np.rint(bias.astype(np.float64) / scale).clip(-(2**31), 2**31 - 1)
    return codes.astype(np.int32), scale
