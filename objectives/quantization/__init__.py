"""Quantization arithmetic: folded batch norms, codes of weights, grids of activations."""

from objectives.quantization.activations import ActivationGrid, Range, activation_grid, on_grid
from objectives.quantization.batch_norm import BatchNorm, fold_batch_norm
from objectives.quantization.bits import bits_of_layers
from objectives.quantization.equalization import equal_ranges
from objectives.quantization.moments import Moments, moments_seen, patches
from objectives.quantization.observers import Observed
from objectives.quantization.roundings import chosen_weight
from objectives.quantization.weights import (
    BLOCK,
    STEPS,
    Form,
    QuantizedWeight,
    fitted_weight,
    quantize_bias,
    quantize_weight,
    rounded_weight,
    scale_floor_for_bias,
)

__all__ = [
    "BLOCK",
    "STEPS",
    "ActivationGrid",
    "BatchNorm",
    "Form",
    "Moments",
    "Observed",
    "QuantizedWeight",
    "Range",
    "activation_grid",
    "bits_of_layers",
    "chosen_weight",
    "equal_ranges",
    "fitted_weight",
    "fold_batch_norm",
    "moments_seen",
    "on_grid",
    "patches",
    "quantize_bias",
    "quantize_weight",
    "rounded_weight",
    "scale_floor_for_bias",
]
