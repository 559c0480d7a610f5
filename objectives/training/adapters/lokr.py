"""Low-rank Kronecker products."""

from typing import Any

from objectives.training.adapters.peft_adaptation import PeftAdaptation


class Lokr(PeftAdaptation):
    """ΔW = (alpha / r) C ⊗ D (Edalati 2022, eq. 4), D = A B where that has fewer values.

    C [a, c] begins at 0; D [b, d, kh, kw] or A [b, r] B [r, d * kh * kw] at random. a * b = out and
    c * d = in / groups, as near to each other as their divisors are.
    """

    def config(self, common: dict[str, Any]) -> Any:
        """Return a LoKrConfig."""
        from objectives.training.adapters.library import LoKrConfig

        return LoKrConfig(alpha=self.settings.lora_alpha, **common)
