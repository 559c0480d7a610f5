"""How a trained student becomes a file: the quantization schemes."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from spaces.errors import InputError, UnknownNameError


@dataclass(frozen=True)
class Float32:
    """Weights and arithmetic in 32-bit floats: the file that is not compressed."""

    kind: Literal["fp32"] = "fp32"


@dataclass(frozen=True)
class Float16:
    """Weights stored in 16-bit floats, arithmetic in 32-bit floats."""

    kind: Literal["fp16"] = "fp16"


@dataclass(frozen=True)
class WeightOnly:
    """Weights stored as integers with one scale per output channel, arithmetic in floats."""

    bits: Literal[8, 4]
    """Bits per weight; 4-bit weights are packed two to a byte."""
    kind: Literal["weight_only"] = "weight_only"

    def __post_init__(self) -> None:
        if self.bits not in (8, 4):
            raise InputError(f"weight-only bits must be 8 or 4, got {self.bits}")


@dataclass(frozen=True)
class Static:
    """Integer weights per channel, uint8 activations with calibrated ranges: integer arithmetic."""

    weight_bits: Literal[8, 4]
    """Bits per stored weight; 4 is w4a8."""
    percentile: float = 100.0
    """Share of calibration values inside an activation's range; 100 is min-max."""
    kind: Literal["static"] = "static"

    def __post_init__(self) -> None:
        if self.weight_bits not in (8, 4):
            raise InputError(f"weight_bits must be 8 or 4, got {self.weight_bits}")
        if not 50 < self.percentile <= 100:
            raise InputError(f"percentile must be in (50, 100], got {self.percentile}")


@dataclass(frozen=True)
class DynamicLinear:
    """int8 linear layers with activation ranges taken at run time; convolutions stay in floats."""

    kind: Literal["dynamic_linear"] = "dynamic_linear"


Scheme = Float32 | Float16 | WeightOnly | Static | DynamicLinear

SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        "fp32": Float32(),
        "fp16": Float16(),
        "int8_weight_only": WeightOnly(8),
        "int8_static": Static(8),
        "int4_weight_only": WeightOnly(4),
        "w4a8": Static(4),
        "int8_dynamic": DynamicLinear(),
    }
)
"""Every scheme a study can name, from the least to the most compressed arithmetic."""


def scheme_named(name: str) -> Scheme:
    """Return the scheme of that name; raises UnknownNameError with the known names."""
    if name not in SCHEMES:
        raise UnknownNameError("scheme", name, tuple(SCHEMES))
    return SCHEMES[name]


def scheme_name(scheme: Scheme) -> str:
    """Return the name of `scheme` in SCHEMES; raises InputError when it has none."""
    for name, known in SCHEMES.items():
        if known == scheme:
            return name
    raise InputError(f"{scheme} is not one of the named schemes {', '.join(SCHEMES)}")
