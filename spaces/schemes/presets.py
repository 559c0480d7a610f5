"""The schemes that a study can name."""

from collections.abc import Mapping
from dataclasses import dataclass

from spaces.domains import Choice
from spaces.errors import UnknownNameError
from spaces.schemes.calibration import Calibration
from spaces.schemes.layouts import DynamicLinear, Float16, Float32, Layout, Static, WeightOnly
from spaces.settings import Setting, Settings, Word, setting


@dataclass(frozen=True)
class Scheme:
    """A layout, and how it is filled."""

    name: str
    """Its key in SCHEMES."""
    layout: Layout
    calibration: Calibration = Calibration()


SCHEMES: Mapping[str, Scheme] = {
    name: Scheme(name, layout)
    for name, layout in {
        "fp32": Float32(),
        "fp16": Float16(),
        "int8_weight_only": WeightOnly(8),
        "int8_static": Static(8),
        "int4_weight_only": WeightOnly(4),
        "w4a8": Static(4),
        "int8_dynamic": DynamicLinear(),
        "int3_weight_only": WeightOnly(3),
        "int2_weight_only": WeightOnly(2),
    }.items()
}
"""By name, from the least to the most compressed arithmetic; then what a study has to name."""

_SEARCHED = (
    "fp32",
    "fp16",
    "int8_weight_only",
    "int8_static",
    "int4_weight_only",
    "w4a8",
    "int8_dynamic",
)
"""By a study that names none. A scheme that is added is not among them: whoever reads a file that
names none again must find the same study."""


def scheme_named(name: str) -> Scheme:
    """Return the scheme of that name; raises UnknownNameError with the known names."""
    if name not in SCHEMES:
        raise UnknownNameError("scheme", name, tuple(SCHEMES))
    return SCHEMES[name]


@dataclass(frozen=True)
class Quantize(Settings):
    """The leaf of a chain: what is chosen once a student is trained."""

    scheme: str = setting(
        "fp32", Setting("scheme", Word(SCHEMES), Choice(_SEARCHED), decides_costs=True)
    )
    """A name in SCHEMES."""
