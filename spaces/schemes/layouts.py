"""What is in a file and which kernels run it: hence its bytes and its latency, before training."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from spaces.settings import Flag, Number, Setting, Settings, Word, setting

_BITS = Setting("bits of a weight", Number(among=(8, 4), whole=True), decides_costs=True)
_BUDGET = Number(least=2, most=8)
_ANY_BITS = replace(_BITS, rule=Number(least=2, most=8, whole=True))
Granularity = Literal["channel", "tensor", "block32"]
_SCALES = Setting("granularity of scales", Word(("channel", "tensor")), decides_costs=True)
_MORE_SCALES = replace(_SCALES, rule=Word(("channel", "tensor", "block32")))
_MARKS = {"channel": "", "tensor": "t", "block32": "b32"}
"""Of a granularity, in a layout's key."""
_SPARSE = Setting("sparse", Flag(), decides_costs=True)


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
    def dense(self) -> "Layout":
        """The one that holds the same numbers and stores zeros too."""
        if not hasattr(self, "sparse"):
            return self
        return replace(self, sparse=False)  # type: ignore[call-arg]

    @property
    def is_sparse(self) -> bool:
        """Whether weights that pruning made zero are not stored."""
        return self.dense != self

    rounds_weights: ClassVar[bool] = False
    """Whether every layer's weights become integers, so that it can be chosen which."""
    rounds_activations: ClassVar[bool] = False
    """Whether activations become integers of ranges that are seen beforehand."""


@dataclass(frozen=True)
class Float32(Layout):
    """Weights and arithmetic in 32-bit floats: the file that is not compressed."""

    kind: ClassVar[str] = "fp32"

    sparse: bool = setting(False, _SPARSE)
    """Whether of a layer whose weights were pruned only the others are stored, and a bit a weight
    says which those are. All others are stored as ever: the file of a whole network is as large."""

    @property
    def key(self) -> str:
        """`fp32`, `fp32s` where it is sparse."""
        return f"{self.kind}{_mark(self.sparse)}"

    @property
    def weight_bits(self) -> int:
        """32."""
        return 32


@dataclass(frozen=True)
class Float16(Layout):
    """Weights stored in 16-bit floats, arithmetic in 32-bit floats."""

    kind: ClassVar[str] = "fp16"

    sparse: bool = setting(False, _SPARSE)
    """As of Float32."""

    @property
    def key(self) -> str:
        """`fp16`, `fp16s` where it is sparse."""
        return f"{self.kind}{_mark(self.sparse)}"

    @property
    def weight_bits(self) -> int:
        """16."""
        return 16


@dataclass(frozen=True)
class BFloat16(Layout):
    """Weights stored in bfloat16, the upper half of a 32-bit float, arithmetic in 32-bit floats."""

    kind: ClassVar[str] = "bf16"

    @property
    def weight_bits(self) -> int:
        """16."""
        return 16


@dataclass(frozen=True)
class WeightOnly(Layout):
    """Weights stored as integers, arithmetic in floats."""

    kind: ClassVar[str] = "weight_only"
    rounds_weights: ClassVar[bool] = True

    bits: int = setting(8, _ANY_BITS)
    """Bits per weight, 2 to 8, packed: two 4-bit weights to a byte, eight 3-bit ones to three."""
    granularity: Granularity = setting("channel", _MORE_SCALES)
    """What shares a scale: an output channel's weights, all of a layer's, or 32 of a channel's in
    a row, whose scale is a share, in 8 bits, of the largest of the channel."""
    sparse: bool = setting(False, _SPARSE)
    """As of Float32."""

    @property
    def key(self) -> str:
        """`w8`, `w3`; `w4t` with a scale a layer, `w4b32` with one a block; sparse `w4s`."""
        return f"w{self.bits}{_MARKS[self.granularity]}{_mark(self.sparse)}"

    @property
    def weight_bits(self) -> int:
        """Its bits."""
        return self.bits


@dataclass(frozen=True)
class BitsByLayer(Layout):
    """Weights stored as integers, 8, 4, 3 or 2 bits a layer by what the layer loses, as WeightOnly.

    Which layer has how many is decided by the study's sensitivities (spaces.LayerSensitivity).
    """

    kind: ClassVar[str] = "by_layer"
    rounds_weights: ClassVar[bool] = True

    budget: float = setting(4.0, Setting("bits budget", _BUDGET, decides_costs=True))
    """Bits a weight, on average over all weights: no more."""

    @property
    def key(self) -> str:
        """`w4avg`."""
        return f"w{self.budget:g}avg"

    @property
    def weight_bits(self) -> int:
        """The budget, as a whole number."""
        return int(self.budget)


@dataclass(frozen=True)
class Static(Layout):
    """Integer weights, uint8 activations with calibrated ranges: integer arithmetic."""

    kind: ClassVar[str] = "static"
    rounds_weights: ClassVar[bool] = True
    rounds_activations: ClassVar[bool] = True

    bits: Literal[8, 4] = setting(8, _BITS)
    """Bits per stored weight; 4 is w4a8."""
    granularity: Literal["channel", "tensor"] = setting("channel", _SCALES)
    """What shares a weight's scale: an output channel's, or all of a layer's."""
    sparse: bool = setting(False, _SPARSE)
    """As of Float32."""

    @property
    def key(self) -> str:
        """`w8a8`, `w4a8`; `w8a8t` with a scale a layer; sparse `w8a8s`."""
        return f"w{self.bits}a8{_MARKS[self.granularity]}{_mark(self.sparse)}"

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


def _mark(sparse: bool) -> str:
    return "s" if sparse else ""


LAYOUTS: Mapping[str, type[Layout]] = {
    each.kind: each
    for each in (Float32, Float16, BFloat16, WeightOnly, BitsByLayer, Static, DynamicLinear)
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
"""By key: the layouts for which training can make up, since they round every layer's weights, with
one scale per output channel."""
