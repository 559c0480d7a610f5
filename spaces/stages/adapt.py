"""Adaptation of a trained student: low-rank adapters on some layers, merged, or a control."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar, Literal, get_args

from spaces.domains import Choice
from spaces.methods import Logit, Method, NoTeacher
from spaces.schedule import EPOCHS, LEARNING_RATE
from spaces.schemes import INTEGER_LAYOUTS
from spaces.settings import Number, Setting, Word, setting
from spaces.stages.adapters import ADAPTERS
from spaces.stages.stage import ANY_LAYOUT, Leaf, Prior, Stage

TargetLayers = Literal["classifier", "pointwise", "classifier+pointwise", "dense", "all"]
"""`classifier`: linear layers, in a transformer all of them; `pointwise`: 1x1 convolutions with
groups 1; `dense`: every convolution with groups 1, and the linear layers; `all`: grouped and
dilated convolutions too, by a method that can."""
RankPattern = Literal["even", "early", "late"]
"""Where ranks are doubled: in the first half of the adapted layers, or in the last; they are halved
in the other. Of an odd number of layers the last half has one more."""
LearnsFrom = Literal["as_before", "labels", "teacher", "both"]

_TEACHING: Mapping[str, Method | None] = {
    "as_before": None,
    "labels": NoTeacher(),
    "teacher": Logit(alpha=1.0),
    "both": Logit(),
}

_LOADS = """\
from objectives.models import build_model
from peft import PeftModel
from safetensors.torch import load_file
from spaces import Network, Pruned
base = build_model({network}, {classes}); base.load_state_dict(load_file("{base}"))
model = PeftModel.from_pretrained(base, "adapter").eval()
"""

_LITTLE = 5.0
"""An adapter's numbers matter least."""


def _has(name: str) -> Callable[[Mapping[str, Any]], bool]:
    """Return whether the method has the setting `name`."""
    return lambda known: name in ADAPTERS[known["method"]].has


@dataclass(frozen=True)
class Adapt(Stage):
    """One of ADAPTERS, trained on the parent's weights and merged into them.

    By default W + (lora_alpha / rank) B A, with W frozen (Hu 2021, eq. 3). Batch-norm statistics
    are frozen too, as no adapter has them; `full` learns them as any training does.
    """

    kind: ClassVar[str] = "adapt"
    done: ClassVar[str] = "adapted"
    absent: ClassVar[str] = "no adapter"
    leaves: ClassVar[Mapping[str, Leaf]] = MappingProxyType(
        {"adapter": Leaf("the adapter in peft's format, and the weights it adapts", _LOADS)}
    )
    prior: ClassVar[Prior] = Prior(
        fall=0.03,
        noise=0.07,
        gain=0.025,
        checkpoint=0.017,
        family=0.017,
        families=MappingProxyType({"classifier": 0.004}),
    )

    method: str = setting(
        "lora", Setting("method", Word(ADAPTERS), tells_family=True, tried=True), kw_only=True
    )
    """What is trained."""
    rank: int = setting(
        8,
        Setting(
            "rank",
            Number(least=1, most=1024, whole=True),
            Choice((0, 2, 4, 8, 16, 32)),
            applies=_has("rank"),
            skips=0,
            length=_LITTLE,
        ),
    )
    """Rank of the update."""
    lora_alpha: float = setting(
        16.0,
        Setting(
            "LoRA alpha",
            Number(least=0.01, most=10_000),
            Choice((8, 16, 32)),
            applies=_has("lora_alpha"),
            length=_LITTLE,
        ),
    )
    """Scale of the update before division by the rank."""
    dropout: float = setting(
        0.0,
        Setting(
            "dropout",
            Number(least=0, below=1),
            Choice((0.0, 0.1)),
            applies=_has("dropout"),
            length=_LITTLE,
        ),
    )
    """Dropout on the adapter's input."""
    targets: TargetLayers = setting(
        "dense",
        Setting(
            "target layers",
            Word(get_args(TargetLayers)),
            Choice(("classifier", "pointwise", "classifier+pointwise", "dense")),
            applies=_has("targets"),
            tells_family=True,
            tried=True,
            length=1.5,
        ),
    )
    """Which layers carry an adapter."""
    rank_pattern: RankPattern = setting(
        "even",
        Setting("rank pattern", Word(get_args(RankPattern)), applies=_has("rank_pattern")),
        kw_only=True,
    )
    """Which half of the layers has twice the rank; the other has half of it."""
    learns_from: LearnsFrom = setting(
        "as_before", Setting("learns from", Word(get_args(LearnsFrom))), kw_only=True
    )
    """By the method of the stage before (all at once, where that went in turns), from the labels
    alone, from the teacher's logits alone, or from `both`, with 0.9 of the teacher's part; logits
    are compared at temperature 4. The teacher is that of the stage before, or the study's own where
    that one asks none."""
    layout: str = setting(
        ANY_LAYOUT,
        Setting(
            "layout it learns for",
            Word((ANY_LAYOUT, *INTEGER_LAYOUTS)),
            baseline=ANY_LAYOUT,
            names_layout=True,
        ),
        kw_only=True,
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
    def teaching(self) -> Method | None:
        """What it learns from."""
        return _TEACHING[self.learns_from]

    @property
    def left(self) -> Mapping[str, Leaf]:
        """The adapter, of a method that has one."""
        return self.leaves if ADAPTERS[self.method].leaves else {}

    @property
    def label(self) -> str:
        """The layers that it adapts, or a control's name: what adapts others is another adapter."""
        return self.targets if "targets" in ADAPTERS[self.method].has else self.method

    @property
    def in_words(self) -> str:
        """`rank 8 on classifier`, with what else was set."""
        update = "rank" in ADAPTERS[self.method].has
        said = [
            *([] if self.method == "lora" else [self.method]),
            *([f"rank {self.rank} on {self.targets}"] if update else []),
            *([] if self.rank_pattern == "even" else [f"{self.rank_pattern} ranks doubled"]),
            *([] if self.learns_from == "as_before" else [f"from {self.learns_from}"]),
            *([] if self.layout == ANY_LAYOUT else [f"seen through {self.layout}"]),
        ]
        return ", ".join(said)

    @property
    def trained_for(self) -> str:
        """Its layout."""
        return self.layout
