"""How a trained student becomes a file: a layout, a calibration, and presets of both by name."""

from spaces.schemes.calibration import ROUNDINGS, Calibration
from spaces.schemes.layouts import (
    INTEGER_LAYOUTS,
    LAYOUTS,
    DynamicLinear,
    Float16,
    Float32,
    Layout,
    Static,
    WeightOnly,
)
from spaces.schemes.presets import SCHEMES, Quantize, Scheme, scheme_named

__all__ = [
    "INTEGER_LAYOUTS",
    "LAYOUTS",
    "ROUNDINGS",
    "SCHEMES",
    "Calibration",
    "DynamicLinear",
    "Float16",
    "Float32",
    "Layout",
    "Quantize",
    "Scheme",
    "Static",
    "WeightOnly",
    "scheme_named",
]
