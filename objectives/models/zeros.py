"""Layers whose weights can be zero one by one, and how many of them pruning makes so."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from objectives.models.small_maps import computes_plainly
from spaces import InputError, Pruned, weights_of_layers


def layers_with_own_weight(model: nn.Module) -> dict[str, nn.Module]:
    """Return the layers that compute with a weight of theirs alone, by name; adapted ones whole."""
    found: dict[str, nn.Module] = {}
    weights = [id(one) for _, one in model.named_parameters(remove_duplicate=False)]

    def walk(prefix: str, module: nn.Module) -> None:
        layer = cast("nn.Module", getattr(module, "base_layer", module))
        if isinstance(layer, nn.Conv2d | nn.Linear):
            if computes_plainly(layer) and weights.count(id(layer.weight)) == 1:
                found[prefix] = module
            return
        for name, child in module.named_children():
            walk(f"{prefix}.{name}" if prefix else name, child)

    walk("", model)
    return found


def zeros_by_layer(model: nn.Module, pruned: Pruned, image_size: int) -> dict[str, int]:
    """Return by name of layer how many of its weights are zero; of others none needs to be.

    The same layers as training prunes: with a weight of their own, and called once an image. Raises
    InputError where a plan names others.
    """
    if not pruned.weights:
        return {}
    layers = layers_called_once(model, image_size)
    if others := weights_of_layers(pruned.shares).keys() - layers.keys():
        words = ", ".join(sorted(others))
        raise InputError(f"prune.shares names {words}, which has no weights that can be zero")
    return {
        name: pruned.zeros(name, cast("Tensor", layer.weight).numel())
        for name, layer in layers.items()
    }


def zero_smallest(model: nn.Module, pruned: Pruned, image_size: int) -> None:
    """Let as many of the smallest weights of each layer be zero as `pruned` says."""
    for name, zeros in zeros_by_layer(model, pruned, image_size).items():
        weight = cast("Tensor", model.get_submodule(name).weight).detach()
        weight.copy_(weight * kept_largest(weight, zeros))


def kept_largest(weight: Tensor, zeros: int) -> Tensor:
    """Return booleans of the shape of `weight`, false at so many of its smallest; ties by place."""
    kept = torch.ones(weight.numel(), dtype=torch.bool, device=weight.device)
    kept[weight.detach().abs().flatten().argsort(stable=True)[:zeros]] = False
    return kept.view(weight.shape)


def layers_called_once(model: nn.Module, image_size: int) -> dict[str, nn.Module]:
    """Return those of layers_with_own_weight that run once an image, by name."""
    layers, calls = layers_with_own_weight(model), dict[str, int]()

    def look(name: str) -> Any:
        def note(*_: object) -> None:
            calls[name] = calls.get(name, 0) + 1

        return note

    hooks = [layer.register_forward_pre_hook(look(name)) for name, layer in layers.items()]
    was_training, device = model.training, next(model.parameters()).device
    model.eval()
    try:
        with torch.no_grad():
            model(torch.zeros(1, 3, image_size, image_size, device=device))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return {name: layer for name, layer in layers.items() if calls.get(name) == 1}
