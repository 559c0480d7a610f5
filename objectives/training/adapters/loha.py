"""Low-rank Hadamard products."""

from typing import Any

from objectives.training.adapters.peft_adaptation import PeftAdaptation


class Loha(PeftAdaptation):
    """ΔW = (alpha / r) (A1 B1) ∘ (A2 B2), of rank up to r² (Hyeon-Woo 2022, proposition 1).

    A [out, r], B [r, in * kh * kw / groups]; B2 begins at 0, the others at random.
    """

    def config(self, common: dict[str, Any]) -> Any:
        """Return a LoHaConfig."""
        from objectives.training.adapters.library import LoHaConfig

        return LoHaConfig(alpha=self.settings.lora_alpha, **common)
