"""What is in a file and which kernels run it: hence its bytes and its latency, before training."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from spaces.settings import Number, Setting, Settings, setting

_BITS = Setting("bits of a weight", Number(among=(8, 4), whole=True), decides_costs=True)
_FEWER_BITS = replace(_BITS, rule=Number(among=(8, 4, 3, 2), whole=True))


@dataclass(frozen=True)
class Layout(Settings):
    """The form of an artifact."""

    kind: ClassVar[str]
    """Its name in LAYOUTS."""

    @property
    def key(self) -> str:
        """Short text that tells two layouts apart, as in a cost table: `w4a8`."""
        return self.kind

    @property
    def weight_bits(self) -> int:
        """Bits of a stored weight."""
        raise NotImplementedError

    @property
    def rounds_weights(self) -> bool:
        """Whether every layer's weights become integers, so that it can be chosen which."""
        return self.key in INTEGER_LAYOUTS


@dataclass(frozen=True)
class Float32(Layout):
    """Weights and arithmetic in 32-bit floats: the file that is not compressed."""

    kind: ClassVar[str] = "fp32"

    @property
    def weight_bits(self) -> int:
        """32."""
        return 32


@dataclass(frozen=True)
class Float16(Layout):
    """Weights stored in 16-bit floats, arithmetic in 32-bit floats."""

    kind: ClassVar[str] = "fp16"

    @property
    def weight_bits(self) -> int:
        """16."""
        return 16


@dataclass(frozen=True)
class WeightOnly(Layout):
    """Weights stored as integers with one scale per output channel, arithmetic in floats."""

    kind: ClassVar[str] = "weight_only"

    bits: Literal[8, 4, 3, 2] = setting(8, _FEWER_BITS)
    """Bits per weight, packed: two 4-bit weights to a byte, eight 3-bit ones to three bytes."""

    @property
    def key(self) -> str:
        """`w8`, `w4`, `w3`, `w2`."""
        return f"w{self.bits}"

    @property
    def weight_bits(self) -> int:
        """Its bits."""
        return self.bits


@dataclass(frozen=True)
class Static(Layout):
    """Integer weights per channel, uint8 activations with calibrated ranges: integer arithmetic."""

    kind: ClassVar[str] = "static"

    bits: Literal[8, 4] = setting(8, _BITS)
    """Bits per stored weight; 4 is w4a8."""

    @property
    def key(self) -> str:
        """`w8a8`, `w4a8`."""
        return f"w{self.bits}a8"

    @property
    def weight_bits(self) -> int:
        """Its bits."""
        return self.bits


@dataclass(frozen=True)
class DynamicLinear(Layout):
    """int8 linear layers with activation ranges taken at run time; convolutions stay in floats."""

    kind: ClassVar[str] = "dynamic_linear"

    @property
    def weight_bits(self) -> int:
        """8, of linear layers."""
        return 8


LAYOUTS: Mapping[str, type[Layout]] = {
    each.kind: each for each in (Float32, Float16, WeightOnly, Static, DynamicLinear)
}
"""By kind."""

INTEGER_LAYOUTS: Mapping[str, Layout] = {
    each.key: each
    for each in (
        WeightOnly(8),
        WeightOnly(4),
        WeightOnly(3),
        WeightOnly(2),
        Static(8),
        Static(4),
    )
}
"""By key: the layouts for which training can make up, since they round every layer's weights."""
