"""Which layers of a network an adapter can be put on."""

from collections import Counter
from typing import get_args

from torch import nn

from objectives.models import computes_plainly
from spaces import ADAPTERS, InputError, TargetLayers


def target_layers(model: nn.Module, targets: TargetLayers, method: str = "lora") -> list[str]:
    """Return the names of the layers that carry an adapter, in the order in which they stand.

    Grouped and dilated convolutions only by a `method` of ADAPTERS that can: peft's LoRA cannot
    merge the first and ignores the dilation of the second. Layers whose adapter would not do what
    merging it does are left alone: see _adapts_as_it_merges.

    Raises InputError when no layer is left, or when `all` is wanted of a method that cannot.
    """
    shared = _shared_weights(model)
    inside = _read_without_a_call(model)
    names = [
        name
        for name, layer in model.named_modules()
        if _is_wanted(layer, targets)
        and _adapts_as_it_merges(layer)
        and layer not in inside
        and id(layer.weight) not in shared
    ]
    beyond = [name for name in names if not _is_plain(model.get_submodule(name))]
    if beyond and not ADAPTERS[method].grouped:
        able = " or ".join(name for name, one in ADAPTERS.items() if one.grouped)
        raise InputError(
            f"{method} cannot adapt its grouped or dilated convolutions, as {beyond[0]}, which are "
            f"among the targets 'all': 'dense' leaves them out, and {able} can"
        )
    if not names:
        there = [one for one in get_args(TargetLayers) if _any_wanted(model, one)]
        has = f": it has {', '.join(there)}" if there else ""
        raise InputError(f"no layer of this network is a target of {targets!r}{has}")
    return names


def _any_wanted(model: nn.Module, targets: TargetLayers) -> bool:
    return any(_is_wanted(one, targets) and _adapts_as_it_merges(one) for one in model.modules())


def _adapts_as_it_merges(layer: nn.Module) -> bool:
    """Whether W x + B A x, which is trained, equals (W + B A) x, which is merged.

    Not where the layer does not use its weight as it is, nor where it pads images otherwise than by
    zeros: adapters do not.
    """
    return computes_plainly(layer) and getattr(layer, "padding_mode", "zeros") == "zeros"


def _read_without_a_call(model: nn.Module) -> set[nn.Module]:
    """Return what is in torch's attention: it reads the weights of layers that it never calls."""
    attention = (nn.MultiheadAttention, nn.TransformerEncoderLayer)
    holders = [module for module in model.modules() if isinstance(module, attention)]
    return {layer for holder in holders for layer in holder.modules()}


def _shared_weights(model: nn.Module) -> set[int]:
    """Return the ids of parameters with two names: what changes one changes both."""
    ids = Counter(id(weight) for _, weight in model.named_parameters(remove_duplicate=False))
    return {identity for identity, count in ids.items() if count > 1}


def _is_wanted(layer: nn.Module, targets: TargetLayers) -> bool:
    if isinstance(layer, nn.Linear):
        return targets != "pointwise"
    if not isinstance(layer, nn.Conv2d):
        return False
    if targets == "all":
        return True
    if not _is_plain(layer):
        return False
    return targets == "dense" or ("pointwise" in targets and layer.kernel_size == (1, 1))


def _is_plain(layer: nn.Module) -> bool:
    """Say whether it is no grouped and no dilated convolution."""
    return not isinstance(layer, nn.Conv2d) or (layer.groups == 1 and layer.dilation == (1, 1))
