"""Weight-decomposed low-rank adaptation."""

from typing import Any

from objectives.training.adapters.lora import Lora


class Dora(Lora):
    """W' = m (W + ΔW) / ‖W + ΔW‖, ΔW as of LoRA (Liu 2024, eq. 5).

    m [out] begins as ‖W‖ and is learned; norms are of an output's whole filter, and constant to the
    gradient (their section 4.3).
    """

    def config(self, common: dict[str, Any]) -> Any:
        """Return a LoraConfig."""
        return super().config({**common, "use_dora": True})
