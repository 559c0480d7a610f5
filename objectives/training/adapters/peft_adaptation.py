"""What methods that peft computes have in common."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save_file
from torch import Tensor, nn

from objectives.training.adapters.adapter import Adaptation
from objectives.training.adapters.targets import target_layers

if TYPE_CHECKING:
    from objectives.training.adapters.library import PeftConfig


class PeftAdaptation(Adaptation):
    """An adapter beside each of its target layers, frozen but for these."""

    keeps_scale = True
    """Whether alpha follows the rank of a rank pattern, so that alpha / rank is the same."""

    def config(self, common: dict[str, Any]) -> "PeftConfig":
        """Return peft's configuration; common: target_modules, r, rank_pattern, alpha_pattern."""
        raise NotImplementedError

    def check(self, model: nn.Module, image_size: int) -> None:  # noqa: ARG002 - none matters
        """Raise InputError where no layer is a target, or one that the method cannot adapt."""
        target_layers(model, self.settings.targets, self.settings.method)

    def attach(self, model: nn.Module, image_size: int) -> nn.Module:  # noqa: ARG002
        """Return `model` under peft's wrapper."""
        from objectives.training.adapters.library import get_peft_model

        names = target_layers(model, self.settings.targets, self.settings.method)
        ranks = self._ranks(names)
        scale = self.settings.lora_alpha / self.settings.rank
        common = {
            # In a list, the name 0 would stand for block.0 too.
            "target_modules": "|".join(re.escape(name) for name in sorted(names)),
            "r": self.settings.rank,
            "rank_pattern": ranks,
            "alpha_pattern": {name: rank * scale for name, rank in ranks.items()}
            if self.keeps_scale
            else {},
        }
        adapted: nn.Module = get_peft_model(model, self.config(common))
        return adapted

    def _ranks(self, names: list[str]) -> dict[str, int]:
        """Return the ranks that are not settings.rank, by what peft knows a layer by."""
        rank, half = self.settings.rank, len(names) // 2
        match self.settings.rank_pattern:
            case "even":
                return {}
            case "early":
                first, last = 2 * rank, max(1, rank // 2)
            case "late":
                first, last = max(1, rank // 2), 2 * rank
            case unknown:
                raise AssertionError(f"no rank pattern is named {unknown!r}")
        return {
            f"^{re.escape(name)}": first if place < half else last
            for place, name in enumerate(names)
        }

    def save(self, adapted: Any, folder: Path) -> None:
        """Write the adapter in peft's format.

        peft's own `save_pretrained` writes sets in the order of a randomised hash.
        """
        folder.mkdir(parents=True, exist_ok=True)
        state, config = self.stored(adapted)
        save_file(
            {name: value.detach().cpu().contiguous() for name, value in state.items()},
            folder / "adapter_model.safetensors",
            metadata={"format": "pt"},
        )
        plain = {
            name: sorted(value) if isinstance(value, set) else value
            for name, value in (config | {"inference_mode": True}).items()
        }
        text = json.dumps(plain, indent=2, sort_keys=True, default=str)
        (folder / "adapter_config.json").write_text(text + "\n")

    def stored(self, adapted: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and configuration, as peft loads them onto the parent's weights."""
        from objectives.training.adapters.library import get_peft_model_state_dict

        return get_peft_model_state_dict(adapted), adapted.peft_config["default"].to_dict()

    def merge(self, adapted: Any) -> nn.Module:
        """Return the network with W + ΔW in place of W, and no wrapper left."""
        merged: nn.Module = adapted.merge_and_unload(safe_merge=True)
        return merged
