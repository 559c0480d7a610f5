"""The schemes that a study can name."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from spaces.domains import Choice
from spaces.errors import InputError, UnknownNameError
from spaces.schemes.calibration import CALIBRATIONS, Calibration
from spaces.schemes.layouts import (
    BFloat16,
    BitsByLayer,
    DynamicLinear,
    Float16,
    Float32,
    Layout,
    Static,
    WeightOnly,
)
from spaces.settings import Setting, Settings, Word, setting


@dataclass(frozen=True)
class Scheme:
    """A layout, and how it is filled."""

    name: str
    """Its key in SCHEMES."""
    layout: Layout
    calibration: Calibration = Calibration()


_BY_LAYER = "by_layer_"
"""Before the budget, in bits a weight: `by_layer_2.5`."""


class _Schemes(dict[str, Scheme]):
    """Presets by name; also names of bits by layer, and words of CALIBRATIONS behind either."""

    def __missing__(self, name: str) -> Scheme:
        preset, *words = name.split("+")
        if not words:
            return _by_layer(name)
        if preset not in self:
            raise KeyError(name)
        layout, changes = self[preset].layout, dict[str, Any]()
        for word in words:
            changes |= CALIBRATIONS[word]
        # One name a scheme: what is written twice, or in another order, is no name.
        if words != [word for word in CALIBRATIONS if word in words] or len(changes) < len(words):
            raise KeyError(name)
        calibration = replace(self[preset].calibration, **changes)
        if not _can_have(layout, calibration):
            raise KeyError(name)
        return Scheme(name, layout, calibration)

    def __contains__(self, name: object) -> bool:
        if super().__contains__(name):
            return True
        try:
            return isinstance(name, str) and bool(self[name])
        except KeyError:
            return False


def _by_layer(name: str) -> Scheme:
    """Return the scheme of bits by layer of that name; raises KeyError where it is none."""
    _, prefix, budget = name.rpartition(_BY_LAYER)
    try:
        layout = BitsByLayer(float(budget))
    except (ValueError, InputError) as error:
        raise KeyError(name) from error
    if name != f"{prefix}{layout.budget:g}" or not prefix:
        raise KeyError(name)
    return Scheme(name, layout)


def _can_have(layout: Layout, calibration: Calibration) -> bool:
    """Say whether a layout has what a calibration chooses."""
    if layout.rounds_activations:
        return True
    # What looks at images for codes fits the ranges of weights along.
    of_weights = ("min_max", "mse") if calibration.rounding == "nearest" else ("min_max",)
    return layout.rounds_weights and calibration.observer in of_weights


SCHEMES: Mapping[str, Scheme] = _Schemes(
    (name, Scheme(name, layout))
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
        "bf16": BFloat16(),
        "int7_weight_only": WeightOnly(7),
        "int6_weight_only": WeightOnly(6),
        "int5_weight_only": WeightOnly(5),
        "int4_block32": WeightOnly(4, "block32"),
        "int3_block32": WeightOnly(3, "block32"),
        "int2_block32": WeightOnly(2, "block32"),
        "int4_per_tensor": WeightOnly(4, "tensor"),
        "int8_static_per_tensor": Static(8, "tensor"),
        "w4a8_per_tensor": Static(4, "tensor"),
        "fp32_sparse": Float32(sparse=True),
        "fp16_sparse": Float16(sparse=True),
        "int8_sparse": WeightOnly(8, sparse=True),
        "int4_sparse": WeightOnly(4, sparse=True),
        "int3_sparse": WeightOnly(3, sparse=True),
        "int2_sparse": WeightOnly(2, sparse=True),
        "int8_static_sparse": Static(8, sparse=True),
        "w4a8_sparse": Static(4, sparse=True),
    }.items()
)
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


_MADE = (
    f"{_BY_LAYER}N with N bits a weight from 2 to 8, or one with integer weights and, each behind "
    f"a +, words of {', '.join(CALIBRATIONS)} in this order"
)
"""How schemes that are no presets are written."""


def scheme_named(name: str) -> Scheme:
    """Return the scheme of that name; raises UnknownNameError with the known names."""
    if name not in SCHEMES:
        raise UnknownNameError("scheme", name, (*SCHEMES, _MADE))
    return SCHEMES[name]


@dataclass(frozen=True)
class Quantize(Settings):
    """The leaf of a chain: what is chosen once a student is trained."""

    scheme: str = setting(
        "fp32", Setting("scheme", Word(SCHEMES, _MADE), Choice(_SEARCHED), decides_costs=True)
    )
    """How it is stored, and after a `+` how its codes are chosen: as in `w4a8+quantease`, which is
    slower to make and no larger."""
