"""The uint8 grids of activations, from ranges seen in calibration."""

from dataclasses import dataclass

import torch
from torch import Tensor

from objectives.quantization.primitives import (
    MappingType,
    choose_qparams_affine_with_min_max,
)

SMALLEST_SCALE = 2.0**-24
"""Scale of a tensor that was zero on every calibration image."""


@dataclass(frozen=True)
class Range:
    """Smallest and largest value a tensor took, or the percentiles that stand for them."""

    low: float
    high: float


@dataclass(frozen=True)
class ActivationGrid:
    """A tensor as scale * (code - zero_point), codes 0 to 255."""

    scale: float
    zero_point: int


def activation_grid(seen: Range) -> ActivationGrid:
    """Return the grid that covers `seen` and has zero on it (a padded border must stay exact)."""
    scale, zero_point = choose_qparams_affine_with_min_max(
        torch.tensor([seen.low]),
        torch.tensor([seen.high]),
        MappingType.ASYMMETRIC,
        (1,),
        torch.uint8,
        quant_min=0,
        quant_max=255,
        eps=SMALLEST_SCALE,
        scale_dtype=torch.float32,
        zero_point_dtype=torch.int32,
    )
    return ActivationGrid(float(scale), int(zero_point))


def on_grid(given: Tensor, grid: ActivationGrid) -> Tensor:
    """Return the tensor on an activation grid; the gradient passes where nothing is cut off."""
    rounded: Tensor = torch.fake_quantize_per_tensor_affine(
        given, grid.scale, grid.zero_point, 0, 255
    )
    return rounded
