"""What a student can be adapted by: a small declaration a method.

What a method computes stands under the same name in objectives.training.adapters.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

_UPDATE = ("rank", "lora_alpha", "targets", "rank_pattern")


@dataclass(frozen=True)
class Adapter:
    """One method of adapting a trained network."""

    words: str
    """What it is, and who published it."""
    has: Collection[str] = _UPDATE
    """Names of the settings of Adapt that apply to it."""
    grouped: bool = False
    """Whether it adapts grouped, depthwise and dilated convolutions too."""
    leaves: bool = True
    """Whether it leaves an adapter in peft's format."""


ADAPTERS: Mapping[str, Adapter] = {
    "lora": Adapter("W + (lora_alpha / rank) B A (Hu 2021)", has=(*_UPDATE, "dropout")),
    "rslora": Adapter(
        "LoRA, scaled by lora_alpha / √rank (Kalajdzievski 2023)", has=(*_UPDATE, "dropout")
    ),
    "dora": Adapter(
        "LoRA of each filter's direction, its length learned beside (Liu 2024)",
        has=(*_UPDATE, "dropout"),
    ),
    "pissa": Adapter("LoRA that begins as the strongest directions of W (Meng 2024)"),
    "loha": Adapter("the product, value by value, of two LoRAs (Hyeon-Woo 2022)", grouped=True),
    "lokr": Adapter("a Kronecker product, one factor low-rank (Edalati 2022)", grouped=True),
    "full": Adapter("every weight, a control", has=(), leaves=False),
    "classifier_only": Adapter(
        "the weights of the layer that gives the logits, a control", has=(), leaves=False
    ),
}
"""By name, as a study file has it under `adapt.method`."""
