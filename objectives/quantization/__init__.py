"""Quantization arithmetic: folded batch norms, codes of weights, grids of activations."""

from objectives.quantization.activations import ActivationGrid, Range, activation_grid, on_grid
from objectives.quantization.batch_norm import BatchNorm, fold_batch_norm
from objectives.quantization.roundings import Moments, chosen_weight
from objectives.quantization.weights import (
    QuantizedWeight,
    quantize_bias,
    quantize_weight,
    rounded_weight,
    scale_floor_for_bias,
)

__all__ = [
    "ActivationGrid",
    "BatchNorm",
    "Moments",
    "QuantizedWeight",
    "Range",
    "activation_grid",
    "chosen_weight",
    "fold_batch_norm",
    "on_grid",
    "quantize_bias",
    "quantize_weight",
    "rounded_weight",
    "scale_floor_for_bias",
]
