"""Rank-stabilised low-rank adaptation."""

from typing import Any

from objectives.training.adapters.lora import Lora


class RsLora(Lora):
    """ΔW = (alpha / √r) B A (Kalajdzievski 2023, theorem 3.2): a step is as large at every rank."""

    keeps_scale = False

    def config(self, common: dict[str, Any]) -> Any:
        """Return a LoraConfig."""
        return super().config({**common, "use_rslora": True})
