"""Low-rank adaptation."""

from typing import Any

from objectives.training.adapters.peft_adaptation import PeftAdaptation


class Lora(PeftAdaptation):
    """ΔW = (alpha / r) B A, of W [out, in] or flattened [out, in * kh * kw] (Hu 2021, eq. 3).

    A [r, in * kh * kw] begins at random, B [out, r] at 0.
    """

    def config(self, common: dict[str, Any]) -> Any:
        """Return a LoraConfig."""
        from objectives.training.adapters.library import LoraConfig

        return LoraConfig(
            lora_alpha=self.settings.lora_alpha,
            lora_dropout=self.settings.dropout,
            **common,
        )
