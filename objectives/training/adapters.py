"""Low-rank adapters (peft) on a distilled student: attached, trained elsewhere, merged."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from spaces import Adapt, InputError, TargetLayers


def target_layers(model: nn.Module, targets: TargetLayers) -> list[str]:
    """Return the names of the layers that carry an adapter, sorted.

    Grouped convolutions are left alone: peft cannot merge their adapters. So are dilated ones,
    whose dilation its adapters ignore. Raises InputError when no layer is left.
    """
    names = sorted(name for name, layer in model.named_modules() if _carries(layer, targets))
    if not names:
        raise InputError(f"no layer of this network is a target of {targets!r}")
    return names


def attach_adapter(model: nn.Module, lora: Adapt) -> Any:
    """Return `model` under peft's wrapper, frozen except for fresh adapters (global RNG)."""
    from objectives.training.adapters_library import LoraConfig, get_peft_model

    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.lora_alpha,
        lora_dropout=lora.dropout,
        target_modules=target_layers(model, lora.targets),
    )
    return get_peft_model(model, config)


def save_adapter(adapted: Any, folder: Path) -> None:
    """Write the adapter in peft's format; equal adapters give equal bytes.

    peft's own `save_pretrained` writes sets in the order of a randomised hash.
    """
    from objectives.training.adapters_library import get_peft_model_state_dict

    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: value.detach().cpu().contiguous()
        for name, value in get_peft_model_state_dict(adapted).items()
    }
    save_file(state, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = adapted.peft_config["default"].to_dict() | {"inference_mode": True}
    plain = {
        name: sorted(value) if isinstance(value, set) else value for name, value in config.items()
    }
    text = json.dumps(plain, indent=2, sort_keys=True, default=str)
    (folder / "adapter_config.json").write_text(text + "\n")


def merge_adapter(adapted: Any) -> nn.Module:
    """Return the network with W + (lora_alpha / rank) B A in place of W, and no wrapper left."""
    merged: nn.Module = adapted.merge_and_unload(safe_merge=True)
    return merged


def _carries(layer: nn.Module, targets: TargetLayers) -> bool:
    if isinstance(layer, nn.Linear):
        return targets != "pointwise"
    if not isinstance(layer, nn.Conv2d) or layer.groups != 1 or layer.dilation != (1, 1):
        return False
    if targets == "dense":
        return True
    return "pointwise" in targets and layer.kernel_size == (1, 1)
