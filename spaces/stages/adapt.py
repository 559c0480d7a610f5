"""Low-rank adapters on some layers of a trained student, merged into its weights."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar, Literal, get_args

from spaces.domains import Choice
from spaces.schedule import EPOCHS, LEARNING_RATE
from spaces.schemes import INTEGER_LAYOUTS
from spaces.settings import Number, Setting, Word, setting
from spaces.stages.stage import ANY_LAYOUT, Leaf, Prior, Stage

TargetLayers = Literal["classifier", "pointwise", "classifier+pointwise", "dense"]
"""`classifier`: linear layers, in a transformer all of them; `pointwise`: 1x1 convolutions with
groups 1; `dense`: every convolution with groups 1, and the linear layers."""

_LOADS = """\
from objectives.models import build_model
from peft import PeftModel
from safetensors.torch import load_file
from spaces import Network
base = build_model({network}, {classes}); base.load_state_dict(load_file("{base}"))
model = PeftModel.from_pretrained(base, "adapter").eval()
"""

_LITTLE = 5.0
"""An adapter's numbers matter least."""


@dataclass(frozen=True)
class Adapt(Stage):
    """W + (lora_alpha / rank) B A, trained with W frozen, merged afterwards (Hu 2021, eq. 3)."""

    kind: ClassVar[str] = "adapt"
    done: ClassVar[str] = "adapted"
    absent: ClassVar[str] = "no adapter"
    leaves: ClassVar[Mapping[str, Leaf]] = MappingProxyType(
        {"adapter": Leaf("the LoRA adapter in peft's format, and the weights it adapts", _LOADS)}
    )
    prior: ClassVar[Prior] = Prior(
        fall=0.03,
        noise=0.07,
        gain=0.025,
        checkpoint=0.017,
        family=0.017,
        families=MappingProxyType({"classifier": 0.004}),
    )

    rank: int = setting(
        8,
        Setting(
            "rank",
            Number(least=1, most=1024, whole=True),
            Choice((0, 2, 4, 8, 16, 32)),
            skips=0,
            length=_LITTLE,
        ),
    )
    """Rank of the update."""
    lora_alpha: float = setting(
        16.0,
        Setting("LoRA alpha", Number(least=0.01, most=10_000), Choice((8, 16, 32)), length=_LITTLE),
    )
    """Scale of the update before division by the rank."""
    dropout: float = setting(
        0.0, Setting("dropout", Number(least=0, below=1), Choice((0.0, 0.1)), length=_LITTLE)
    )
    """Dropout on the adapter's input."""
    targets: TargetLayers = setting(
        "dense",
        Setting(
            "target layers",
            Word(get_args(TargetLayers)),
            Choice(get_args(TargetLayers)),
            tells_family=True,
            length=1.5,
        ),
    )
    """Which layers carry an adapter."""
    layout: str = setting(
        ANY_LAYOUT,
        Setting(
            "layout it learns for",
            Word((ANY_LAYOUT, *INTEGER_LAYOUTS)),
            baseline=ANY_LAYOUT,
            names_layout=True,
        ),
    )
    """`float`: the network as it is. Or the layout through which it is seen while the adapter
    learns, rounded as in the artifact, so that the adapter makes up for the rounding; the student
    is a point under schemes of that layout alone."""
    epochs: int = setting(3, EPOCHS)
    learning_rate: float = setting(
        0.003,
        replace(LEARNING_RATE, domain=Choice((0.001, 0.003, 0.01)), length=_LITTLE),
    )

    @property
    def label(self) -> str:
        """The layers that it adapts: what adapts others is another adapter."""
        return self.targets

    @property
    def in_words(self) -> str:
        """`rank 8 on classifier`, with `, seen through w4` after it."""
        through = "" if self.layout == ANY_LAYOUT else f", seen through {self.layout}"
        return f"rank {self.rank} on {self.targets}{through}"

    @property
    def trained_for(self) -> str:
        """Its layout."""
        return self.layout
