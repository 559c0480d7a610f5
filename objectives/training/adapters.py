"""Low-rank adapters (peft) on a distilled student: attached, trained elsewhere, merged."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from spaces import Adapt, InputError, TargetLayers


def target_layers(model: nn.Module, targets: TargetLayers) -> list[str]:
    """Return the names of the layers that carry an adapter, sorted.

    Grouped convolutions are left alone: peft cannot merge their adapters. So are dilated ones,
    whose dilation its adapters ignore, and layers whose adapter would not do what merging it does:
    `_adapts_as_it_merges`. Raises InputError when no layer is left.
    """
    shared = _shared_weights(model)
    inside = _read_without_a_call(model)
    names = sorted(
        name
        for name, layer in model.named_modules()
        if _carries(layer, targets)
        and _adapts_as_it_merges(layer)
        and layer not in inside
        and id(layer.weight) not in shared
    )
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
        # In a list, the name 0 would stand for block.0 too.
        target_modules="|".join(re.escape(name) for name in target_layers(model, lora.targets)),
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


def _adapts_as_it_merges(layer: nn.Module) -> bool:
    """Whether W x + B A x, which is trained, equals (W + B A) x, which is merged.

    Not where the weight is computed of others (weight norm) or changed by the layer's own forward
    (weight standardisation).
    """
    plain = nn.Linear if isinstance(layer, nn.Linear) else nn.Conv2d
    own = dict(layer.named_parameters(recurse=False))
    return "weight" in own and type(layer).forward is plain.forward


def _read_without_a_call(model: nn.Module) -> set[nn.Module]:
    """Return what is in torch's attention: it reads the weights of layers that it never calls."""
    attention = (nn.MultiheadAttention, nn.TransformerEncoderLayer)
    holders = [module for module in model.modules() if isinstance(module, attention)]
    return {layer for holder in holders for layer in holder.modules()}


def _shared_weights(model: nn.Module) -> set[int]:
    """Return the ids of parameters with two names: what changes one changes both."""
    ids = Counter(id(weight) for _, weight in model.named_parameters(remove_duplicate=False))
    return {identity for identity, count in ids.items() if count > 1}


def _carries(layer: nn.Module, targets: TargetLayers) -> bool:
    if isinstance(layer, nn.Linear):
        return targets != "pointwise"
    if not isinstance(layer, nn.Conv2d) or layer.groups != 1 or layer.dilation != (1, 1):
        return False
    if targets == "dense":
        return True
    return "pointwise" in targets and layer.kernel_size == (1, 1)
