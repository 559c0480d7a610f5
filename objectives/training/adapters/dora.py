"""Weight-decomposed low-rank adaptation."""

from typing import Any

from torch import Tensor, nn

from objectives.training.adapters.lora import Lora


class Dora(Lora):
    """W' = m (W + ΔW) / ‖W + ΔW‖, ΔW as of LoRA (Liu 2024, eq. 5).

    m [out] begins as ‖W‖ and is learned; norms are of an output's whole filter, and constant to the
    gradient (their section 4.3).
    """

    def config(self, common: dict[str, Any]) -> Any:
        """Return a LoraConfig."""
        return super().config({**common, "use_dora": True})

    def attach(self, model: nn.Module, image_size: int) -> nn.Module:
        """Return `model` under peft's wrapper."""
        adapted = super().attach(model, image_size)
        for layer in adapted.modules():
            decomposed: Any = getattr(layer, "lora_magnitude_vector", None) or {}
            for each in decomposed.values():
                # peft's own asks for a view, which weights in channels_last do not have.
                each.get_lora_weight = _update
        return adapted


def _update(lora_A: Any, lora_B: Any, adapter_name: str) -> Tensor:  # noqa: ARG001, N803 - peft's
    """Return B A [out, in * kh * kw] of the two layers."""
    update: Tensor = lora_B.weight.flatten(1) @ lora_A.weight.flatten(1)
    return update
