"""The weights that quantization-aware training begins with: rounded for what each layer gives."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from objectives.quantization import Form, Moments, chosen_weight, moments_seen, patches
from objectives.training.fake_quantization import SeenLayer
from objectives.training.float_accuracy import BatchNorm, evaluating

_ROUNDING = "refined"
_BATCH = 32
"""Images of which a layer's patches are made at once."""


@torch.no_grad()
def begin_rounded(
    model: nn.Module, layers: Mapping[str, SeenLayer], bits: int, images: Tensor
) -> None:
    """Put the weights of `layers` of `model` onto the grids that `refined+bias_corrected` finds.

    As the calibration of that name does: one layer after another, by what it reads of `images`
    [n, 3, h, w] in the network as it was and in the one whose earlier layers are rounded. Both are
    run in one pass, each as half of the images, so that neither's activations are kept. A bias, or
    the shift of the batch norm behind a layer, makes up for what rounding changes on average;
    where there is neither, nothing does.
    """
    norms = _norms_behind(model, layers, images[:1])
    rounding = [_Rounding(one, bits, norms.get(name)) for name, one in layers.items()]
    try:
        for one in rounding:
            one.own.layer.forward = one
        with evaluating(model):
            both = torch.cat([images, images])
            model(both.contiguous(memory_format=torch.channels_last))
    finally:
        for one in rounding:
            one.own.layer.forward = one.own
    for one in rounding:
        one.settle()


class _Rounding:
    """The forward pass of a layer that is rounded when it is called, of [as it was, rounded]."""

    def __init__(self, own: SeenLayer, bits: int, norm: nn.Module | None) -> None:
        """norm: what the layer's output goes through next, if that is a batch norm."""
        self.own = own
        self._layer = cast("nn.Conv2d | nn.Linear", own.layer)
        self._bits = bits
        self._bias, self._gain = _shift(self._layer, norm)
        self._found: tuple[Tensor, Tensor] | None = None

    def __call__(self, given: Tensor) -> Tensor:
        """Return what the layer gives, [2 n, ...]; its weight is chosen by what it is given."""
        exact, now = given.chunk(2)
        read, weight = self.own.read(now), self._layer.weight
        both = zip(_patches(self._layer, exact), _patches(self._layer, read), strict=True)
        moments = moments_seen(both, math.ceil(len(exact) / _BATCH))
        found, change = self._chosen(weight.cpu(), moments)
        self._found = found.to(weight), change.to(weight)
        rounded = self.own.computed(read, self._found[0])
        across = [-1, 1, 1] if isinstance(self._layer, nn.Conv2d) else [-1]
        return torch.cat(
            [self.own.computed(exact, weight), rounded + self._found[1].reshape(across)]
        )

    def _chosen(self, weight: Tensor, moments: Moments) -> tuple[Tensor, Tensor]:
        """Return the rounded weight [out, ...] and what is to be added to each output [out]."""
        sums = moments if self._bias is None else moments.centred()
        chosen = chosen_weight(weight.numpy(), Form(self._bits), None, sums, _ROUNDING)
        found = torch.from_numpy(chosen.floats)
        if self._bias is None:
            return found, torch.zeros(len(found))
        rows = (one.flatten(1).double() for one in (weight, found))
        return found, moments.mean_change(*rows).float()

    def settle(self) -> None:
        """Put what was found into the network."""
        if self._found is None:
            raise AssertionError("a layer with a grid is called once a pass")
        weight, change = self._found
        self._layer.weight.copy_(weight if self.own.mask is None else weight * self.own.mask)
        if self._bias is not None:
            self._bias.add_(change * self._gain)


def _shift(layer: nn.Conv2d | nn.Linear, norm: nn.Module | None) -> tuple[Tensor | None, Tensor]:
    """Return the parameter that can shift a layer's output, if any, and by how much one does."""
    one = torch.ones((), device=layer.weight.device)
    if layer.bias is not None or norm is None:
        return layer.bias, one
    behind: Any = norm
    if behind.bias is None or behind.running_var is None:
        return None, one
    return behind.bias, behind.weight / (behind.running_var + behind.eps).sqrt()


def _patches(layer: nn.Conv2d | nn.Linear, values: Tensor) -> Iterator[Tensor]:
    """Yield what each output is a product with, [groups, d, examples], by batches of images."""
    for batch in torch.split(values.cpu(), _BATCH):
        if isinstance(layer, nn.Linear):
            yield batch.reshape(-1, batch.shape[-1]).T[None]
            continue
        mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
        around = layer._reversed_padding_repeated_twice  # noqa: SLF001 - said in words it may be
        padded = functional.pad(batch.contiguous(), around, mode)
        yield patches(padded, layer.kernel_size, layer.dilation, layer.stride, layer.groups)


def _norms_behind(
    model: nn.Module, layers: Mapping[str, SeenLayer], image: Tensor
) -> dict[str, nn.Module]:
    """Return the batch norms that are given what a layer gives, by the layer's name."""
    given: dict[str, Tensor] = {}
    found: dict[str, nn.Module] = {}

    def gives(name: str) -> Any:
        def note(module: nn.Module, inputs: Any, output: Tensor) -> None:  # noqa: ARG001
            given[name] = output

        return note

    def reads(module: nn.Module, inputs: Any) -> None:
        found.update({name: module for name, output in given.items() if output is inputs[0]})

    hooks = [one.layer.register_forward_hook(gives(name)) for name, one in layers.items()]
    norms = [module for module in model.modules() if isinstance(module, BatchNorm)]
    hooks += [norm.register_forward_pre_hook(reads) for norm in norms]
    try:
        with evaluating(model):
            model(image.contiguous(memory_format=torch.channels_last))
    finally:
        for hook in hooks:
            hook.remove()
    return found
