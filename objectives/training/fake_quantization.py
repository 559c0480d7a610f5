"""A network that computes, while it trains, with the weights that its artifact will hold."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from objectives.models import layers_called_once, layers_with_own_weight, speed_up_small_maps
from objectives.quantization import (
    ActivationGrid,
    Range,
    activation_grid,
    on_grid,
    rounded_weight,
)
from objectives.training.float_accuracy import evaluating
from spaces import DistilfrontError, Layout, Static, WeightOnly

Rounding = Callable[[Tensor], Tensor]
"""From a weight [out, ...] to the one that its codes stand for."""

Masks = Mapping[str, Tensor]
"""By name of layer, booleans of its weight's shape [out, ...]: false where it stays zero."""
NO_MASKS: Masks = MappingProxyType({})

_BATCH = 32
"""Calibration images a pass."""


@contextmanager
def seen_through(
    model: nn.Module, layout: Layout, images: Tensor, masks: Masks = NO_MASKS
) -> Iterator[None]:
    """Let `model`, plain or with peft's adapters, compute as its artifact under `layout` inside.

    Every layer that the layout stores as integers computes with its rounded weight: that of the
    base and the adapters merged. Gradients pass the rounding as if it were not there (the
    straight-through estimator, Bengio 2013, arXiv 1308.3432, section 4). Where the layout has
    integer activations too, the inputs of those layers are rounded to the grids of `images`
    [n, 3, h, w], normalised, as the network sees them when the block begins; beyond a grid's ends
    there is no gradient. Sums and biases stay floats, which is not quite what integer kernels do.
    masks: as for `masked`.

    Layers whose weight is shared, called more than once, or computed from others stay as they are.
    Raises DistilfrontError for a layout that is not known here.
    """
    rounding = partial(rounded_weight, bits=layout.weight_bits)
    with layers_rounded(model, layout, images, rounding, masks):
        yield


@contextmanager
def layers_rounded(
    model: nn.Module, layout: Layout, images: Tensor, rounding: Rounding, masks: Masks = NO_MASKS
) -> Iterator[Mapping[str, "SeenLayer"]]:
    """Do what seen_through says with any rounding of weights; gives the layers, by name."""
    if not isinstance(layout, WeightOnly | Static):
        raise DistilfrontError(f"nothing is known of training for the layout {layout.key}")
    _lay_out(model, images)
    layers = layers_with_own_weight(model)
    grids = input_grids(model, layers, images)
    static = isinstance(layout, Static)
    made = {
        name: SeenLayer(layers[name], rounding, grid if static else None, _of(masks, name))
        for name, grid in grids.items()
    }
    with _patched(made):
        yield made


@contextmanager
def masked(
    model: nn.Module, images: Tensor, masks: Masks = NO_MASKS
) -> Iterator[Mapping[str, "SeenLayer"]]:
    """Let `model` compute inside as if weights were zero; gives the layers, by name.

    masks: by name of layer, booleans of its weight's shape, false where that is zero; others, and
    layers as seen_through leaves alone, stay as they are. What is masked has no gradient.
    """
    _lay_out(model, images)
    layers = layers_called_once(model, images.shape[-1])
    made = {name: SeenLayer(layer, None, None, _of(masks, name)) for name, layer in layers.items()}
    with _patched(made):
        yield made


def _of(masks: Masks, name: str) -> Tensor | None:
    """Return the mask of a layer, by its name in a network that peft may have wrapped."""
    return masks.get(name.removeprefix("base_model.model."))


def _lay_out(model: nn.Module, images: Tensor) -> None:
    """Lay a network out as training does, which would put other layers in place of its own."""
    speed_up_small_maps(model)
    model.to(images.device, memory_format=torch.channels_last)  # type: ignore[call-overload]


@contextmanager
def _patched(layers: Mapping[str, "SeenLayer"]) -> Iterator[None]:
    try:
        for one in layers.values():
            one.layer.forward = one
        yield
    finally:
        for one in layers.values():
            one.layer.__dict__.pop("forward", None)  # What its class has is there again.


class SeenLayer:
    """The forward pass of a layer with other weights than its own."""

    def __init__(
        self,
        layer: nn.Module,
        rounding: Rounding | None,
        grid: ActivationGrid | None,
        mask: Tensor | None = None,
    ) -> None:
        """rounding: of its weight, grid: of what it is given, mask: false where its weight is zero.

        None: that stays as it is.
        """
        self.layer = layer
        self.grid = grid
        self.mask = mask
        self._rounding = rounding
        self._plain = _Plain(cast("nn.Module", getattr(layer, "base_layer", layer)))
        # A weight that does not learn is rounded once.
        self._fixed = None if any(one.requires_grad for one in layer.parameters()) else self._made()

    def __call__(self, given: Tensor) -> Tensor:
        """Return what the layer gives."""
        weight = self._made() if self._fixed is None else self._fixed
        return self.computed(self.read(given), weight)

    def read(self, given: Tensor) -> Tensor:
        """Return what the layer is given as it comes out of its grid."""
        return given if self.grid is None else on_grid(given, self.grid)

    def computed(self, read: Tensor, weight: Tensor) -> Tensor:
        """Return what the layer makes of what it reads, with `weight` in place of its own."""
        result: Tensor = functional_call(self._plain, {"layer.weight": weight}, (read,))
        return result

    def _made(self) -> Tensor:
        weight = merged_weight(self.layer)
        if self.mask is not None:
            weight = weight * self.mask
        if self._rounding is not None:
            weight = _StraightThrough.apply(weight, self._rounding)
        return weight


class _Plain(nn.Module):
    """A layer's own forward pass, for weights that are put in place of its own."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self._compute = layer.forward

    def forward(self, given: Tensor) -> Tensor:
        result: Tensor = self._compute(given)
        return result


class _StraightThrough(torch.autograd.Function):
    """Rounds a weight; the gradient passes as it is, where a code is clipped too."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, rounding: Rounding) -> Tensor:  # noqa: ARG004
        return rounding(weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:  # noqa: ARG004
        return grads[0], None


def merged_weight(layer: nn.Module) -> Tensor:
    """Return the weight of a layer as merging its adapters would leave it, differentiable.

    Dropout on an adapter's input is a mask of its input channels here, drawn once a step.
    """
    base: Any = getattr(layer, "base_layer", layer)
    weight: Tensor = base.weight
    adapted: Any = layer
    for name in getattr(layer, "active_adapters", ()):
        merge, masked = _Merge(adapted, name), {}
        dropout = getattr(adapted, "lora_dropout", {})
        if name in dropout and isinstance(dropout[name], nn.Dropout):
            inward: Tensor = adapted.lora_A[name].weight
            kept = dropout[name](torch.ones(inward.shape[1], device=inward.device))
            masked[f"layer.lora_A.{name}.weight"] = inward * kept.reshape(
                1, -1, *[1] * (inward.ndim - 2)
            )
        weight = functional_call(merge, masked, (weight,))
    return weight


class _Merge(nn.Module):
    """What an adapter of a layer makes of its weight."""

    def __init__(self, layer: Any, name: str) -> None:
        super().__init__()
        self.layer = layer
        self._name = name

    def forward(self, weight: Tensor) -> Tensor:
        variant = getattr(self.layer, "lora_variant", {}).get(self._name)
        if variant is None:
            changed: Tensor = weight + self.layer.get_delta_weight(self._name)
        else:  # Its weight is no sum.
            changed = variant.merge_safe(self.layer, self._name, weight)
        return changed


def input_grids(
    model: nn.Module, layers: Mapping[str, nn.Module], images: Tensor
) -> dict[str, ActivationGrid]:
    """Return the grids of the inputs of those layers that are called once a pass, by name."""
    ranges: dict[str, list[tuple[float, float]]] = {name: [] for name in layers}

    def look(name: str) -> Any:
        def note(module: nn.Module, inputs: Any) -> None:  # noqa: ARG001
            ranges[name].append((float(inputs[0].min()), float(inputs[0].max())))

        return note

    hooks = [layer.register_forward_pre_hook(look(name)) for name, layer in layers.items()]
    batches = torch.split(images, _BATCH)
    try:
        with evaluating(model), torch.no_grad():
            for batch in batches:
                model(batch.contiguous(memory_format=torch.channels_last))
    finally:
        for hook in hooks:
            hook.remove()
    return {
        name: activation_grid(Range(min(low for low, _ in seen), max(high for _, high in seen)))
        for name, seen in ranges.items()
        if len(seen) == len(batches)
    }
