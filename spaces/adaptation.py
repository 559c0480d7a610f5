"""How a distilled student is adapted: low-rank adapters on some of its layers, or not at all."""

from dataclasses import dataclass
from typing import Literal, get_args

from spaces.errors import InputError
from spaces.training import Schedule

TargetLayers = Literal["classifier", "pointwise", "classifier+pointwise", "dense"]
"""`classifier`: linear layers; `pointwise`: 1x1 convolutions with groups 1;
`dense`: every convolution with groups 1, and the linear layers."""


@dataclass(frozen=True)
class NoAdapter:
    """The distilled student is taken as it is (rank 0)."""

    kind: Literal["none"] = "none"

    rank = 0


@dataclass(frozen=True)
class LoRA:
    """W + (lora_alpha / rank) B A, trained with W frozen, merged afterwards (Hu 2021, eq. 3)."""

    rank: int
    """Rank of the update, at least 1."""
    lora_alpha: float
    """Scale of the update before division by the rank."""
    dropout: float
    """Dropout on the adapter's input, in [0, 1)."""
    targets: TargetLayers
    """Which layers carry an adapter."""
    schedule: Schedule
    """How the adapter is trained."""
    kind: Literal["lora"] = "lora"

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise InputError(f"rank must be at least 1 (0 is no adapter), got {self.rank}")
        if not self.lora_alpha > 0:
            raise InputError(f"lora_alpha must be greater than 0, got {self.lora_alpha}")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must be in [0, 1), got {self.dropout}")
        if self.targets not in get_args(TargetLayers):
            raise InputError(
                f"targets must be one of {', '.join(get_args(TargetLayers))}, got {self.targets!r}"
            )


Adaptation = NoAdapter | LoRA
