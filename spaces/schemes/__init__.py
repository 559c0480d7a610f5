"""How a trained student becomes a file: a layout, a calibration, and presets of both by name."""

from spaces.schemes.calibration import (
    CALIBRATIONS,
    OBSERVERS,
    PERCENTILES,
    ROUNDINGS,
    Calibration,
)
from spaces.schemes.layouts import (
    INTEGER_LAYOUTS,
    LAYOUTS,
    BFloat16,
    BitsByLayer,
    DynamicLinear,
    Float16,
    Float32,
    Granularity,
    Layout,
    Static,
    WeightOnly,
)
from spaces.schemes.presets import SCHEMES, Quantize, Scheme, scheme_named
from spaces.schemes.sensitivity import WIDTHS, LayerSensitivity, sensitivity_of

__all__ = [
    "CALIBRATIONS",
    "INTEGER_LAYOUTS",
    "LAYOUTS",
    "OBSERVERS",
    "PERCENTILES",
    "ROUNDINGS",
    "SCHEMES",
    "WIDTHS",
    "BFloat16",
    "BitsByLayer",
    "Calibration",
    "DynamicLinear",
    "Float16",
    "Float32",
    "Granularity",
    "LayerSensitivity",
    "Layout",
    "Quantize",
    "Scheme",
    "Static",
    "WeightOnly",
    "scheme_named",
    "sensitivity_of",
]
