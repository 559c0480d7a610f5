"""Codes and scales of weights, symmetric: to nearest, by torchao's primitives."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from objectives.quantization.primitives import (
    MappingType,
    choose_qparams_affine,
    quantize_affine,
)
from spaces import Granularity

SMALLEST_SCALE = 2.0**-40
"""Scale of a channel of zeros: any positive number does, small enough to alter no real channel."""
BLOCK = 32
"""Weights of an output channel, in their order in memory, that share a scale."""
STEPS = 255
"""A block's scale is so many parts of the largest of its channel, or fewer, but one."""
_LEAST_SHARE, _GRIDS = 0.3, 15
"""Of the largest weight: what the last code may stand for, and how many shares are tried. With 8 a
network that learns at 2 bits comes out a point lower; with finer ones no higher."""
_AT_ONCE = 2**18
"""Weights that are tried on all grids at once: there are as many copies of them."""


@dataclass(frozen=True)
class Form:
    """What a layout asks of codes and scales."""

    bits: int
    granularity: Granularity = "channel"

    @property
    def limit(self) -> int:
        """The largest code: symmetric, so the zero point is 0."""
        return int(2 ** (self.bits - 1)) - 1

    def blocks(self, rows: Tensor) -> Tensor:
        """Return [out, d] as [out, blocks, size], the last block with zeros where it is shorter."""
        size = BLOCK if self.granularity == "block32" and rows.shape[1] > BLOCK else rows.shape[1]
        short = -rows.shape[1] % size
        return functional.pad(rows, (0, short)).reshape(len(rows), -1, size)

    def steps(self, scale: Tensor, wide: int) -> Tensor:
        """Return the scale of each weight, [out, wide], from those of blocks."""
        return scale.repeat_interleave(BLOCK if scale.shape[1] > 1 else wide, 1)[:, :wide]

    def together(self, values: Tensor) -> Tensor:
        """Return sums over what shares a scale, of sums of its blocks [out, blocks]."""
        if self.granularity == "tensor":
            return values.sum().expand_as(values)
        return values

    def storable(self, scale: Tensor) -> Tensor:
        """Return scales as a file can hold them: those of blocks as parts of the largest."""
        if scale.shape[1] == 1:
            return scale
        largest = scale.amax(1, keepdim=True)
        return largest * (scale / largest * STEPS).round().clamp_min(1) / STEPS


@dataclass(frozen=True)
class QuantizedWeight:
    """A weight as codes and the scales of its blocks."""

    codes: NDArray[np.int8]
    """[out, ...], within +-form.limit."""
    scale: NDArray[np.float32]
    """[out, blocks]: one block but by block32, equal ones throughout where a layer has one."""
    form: Form

    @property
    def floats(self) -> NDArray[np.float32]:
        """The weight that it stands for, [out, ...]."""
        rows = self.codes.reshape(len(self.codes), -1)
        steps = self.form.steps(torch.from_numpy(self.scale), rows.shape[1]).numpy()
        floats: NDArray[np.float32] = (rows * steps).reshape(self.codes.shape)
        return floats


def quantize_weight(
    weight: NDArray[np.float32],
    form: Form,
    scale_floor: NDArray[np.float32] | None = None,
    *,
    fitted: bool = False,
) -> QuantizedWeight:
    """Return `weight` [out, ...] rounded to nearest, no scale below its channel's `scale_floor`.

    fitted: with the scales of least squared error, not those whose last code is the largest weight.
    """
    rows = torch.from_numpy(weight).flatten(1)
    scale = fitted_scale(rows, form) if fitted else _whole_scale(rows, form)
    if scale_floor is not None:
        scale = torch.maximum(scale, torch.from_numpy(scale_floor)[:, None])
    if form.granularity == "tensor":
        scale = scale.amax().expand_as(scale)
    scale = form.storable(scale)
    codes = _codes(rows, form.steps(scale, rows.shape[1]), form)
    return QuantizedWeight(codes.reshape(weight.shape).numpy(), scale.contiguous().numpy(), form)


@torch.no_grad()
def rounded_weight(weight: Tensor, bits: int) -> Tensor:
    """Return `weight` [out, ...] as `quantize_weight` would hold it per channel, in floats.

    A gain for each output channel, as of a folded batch norm, may come before or after: symmetric
    codes per channel do not depend on it, and the scale is proportional to it.
    """
    form, rows = Form(bits), weight.flatten(1)
    scale = _whole_scale(rows, form)
    return (_codes(rows, scale, form) * scale).reshape(weight.shape)


@torch.no_grad()
def fitted_weight(weight: Tensor, bits: int) -> Tensor:
    """Return `weight` [out, ...] on the grid of each output channel that loses least of it.

    Its scale is that of fitted_scale. So the largest code of a channel is always the last one, but
    for a channel of zeros, and what is returned is rounded to the same codes by `quantize_weight`,
    whatever gain a folded batch norm gives the channel.
    """
    form, rows = Form(bits), weight.flatten(1)
    scale = fitted_scale(rows, form)
    codes = (rows / scale).round_().clamp_(-form.limit, form.limit)
    # A weight may lie in memory otherwise than its rows do.
    return torch.empty_like(weight).copy_(codes.mul_(scale).view(weight.shape))


def fitted_scale(rows: Tensor, form: Form, counts: Tensor | None = None) -> Tensor:
    """Return the scales [out, blocks] with which the nearest codes have the least squared error.

    The last code is one of a few shares, at most 1, of a block's largest weight. counts: how much
    each weight's error counts, as rows [out, d].
    """
    blocks = form.blocks(rows)
    largest = blocks.abs().amax(2)
    if form.granularity == "tensor":
        largest = largest.amax().expand_as(largest)
    # Made where the weights are: to copy them there would wait for the device.
    shares = torch.linspace(_LEAST_SHARE, 1.0, _GRIDS, dtype=rows.dtype, device=rows.device)
    scales = shares[:, None, None] * (largest / form.limit).clamp_min(SMALLEST_SCALE)
    heavy = torch.ones_like(blocks[:, :1, :1]) if counts is None else form.blocks(counts)
    several = max(1, _AT_ONCE // blocks[0].numel())
    errors = [
        _square_errors(part, weights, its, form.limit)
        for part, weights, its in zip(
            torch.split(blocks, several),
            torch.split(heavy.expand(len(blocks), -1, -1), several),
            torch.split(scales, several, 1),
            strict=True,
        )
    ]
    best = torch.stack([form.together(one) for one in torch.cat(errors, 1)]).argmin(0)
    return scales.gather(0, best[None])[0]


def _square_errors(blocks: Tensor, heavy: Tensor, scales: Tensor, limit: int) -> Tensor:
    """Return [grids, out, blocks] of blocks [out, blocks, size] and scales [grids, out, blocks]."""
    steps = scales[:, :, :, None]
    rounded = (blocks / steps).round_().clamp_(-limit, limit).mul_(steps)
    return rounded.sub_(blocks).square_().mul_(heavy).sum(3)


def _whole_scale(rows: Tensor, form: Form) -> Tensor:
    """Return the scales [out, blocks] whose last code is a block's largest weight."""
    blocks = form.blocks(rows)
    rows = blocks.flatten(0, 1)
    # Of rows of one number (a depthwise 1x1 convolution) torchao makes one scale for all.
    rows = rows.expand(-1, max(2, rows.shape[1]))
    whole = rows.shape if form.granularity == "tensor" else (1, rows.shape[1])
    scale, _ = choose_qparams_affine(
        rows,
        MappingType.SYMMETRIC,
        tuple(whole),
        torch.int8,
        quant_min=-form.limit,
        quant_max=form.limit,
        eps=SMALLEST_SCALE,
        scale_dtype=torch.float32,
        zero_point_dtype=torch.int32,
    )
    whole_scale: Tensor = scale.flatten().expand(len(rows)).reshape(blocks.shape[:2])
    return whole_scale


def _codes(rows: Tensor, steps: Tensor, form: Form) -> Tensor:
    """Return the codes of rows [out, d]; steps: the scale of each weight, or of each row."""
    codes: Tensor = quantize_affine(
        rows,
        (1, rows.shape[1] // steps.shape[1]),
        steps,
        torch.zeros(steps.shape, dtype=torch.int32, device=rows.device),
        torch.int8,
        -form.limit,
        form.limit,
    )
    return codes


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
