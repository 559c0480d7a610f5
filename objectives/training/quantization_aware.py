"""A network all of whose weights learn while it computes as its artifact will."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from objectives.quantization import fitted_weight
from objectives.training.fake_quantization import (
    NO_MASKS,
    Masks,
    SeenLayer,
    input_grids,
    layers_rounded,
)
from objectives.training.rounded_start import begin_rounded
from spaces import Layout, Static


class LayoutView:
    """A network as it is seen through a layout: what follows from its weights."""

    def __init__(
        self, model: nn.Module, layers: Mapping[str, SeenLayer], layout: Layout, images: Tensor
    ) -> None:
        self._model = model
        self._layers = layers
        self._layout = layout
        self._images = images

    def begin(self) -> None:
        """Put the weights where a rounding that keeps what layers give would put them.

        From the nearest codes a network of 2 bits is at chance, and some epochs do not make up for
        what a rounding finds in seconds (benchmarks/methods/quantization_aware.md).
        """
        begin_rounded(self._model, self._layers, self._layout.weight_bits, self._images)

    def refresh(self, epoch: int) -> None:  # noqa: ARG002 - the weights say all
        """Make the grids of activations anew, of what the rounded weights make of the images."""
        if not isinstance(self._layout, Static):
            return
        for layer in self._layers.values():
            layer.grid = None
        modules = {name: layer.layer for name, layer in self._layers.items()}
        for name, grid in input_grids(self._model, modules, self._images).items():
            self._layers[name].grid = grid

    @torch.no_grad()
    def settle(self) -> None:
        """Put the weights where they are seen, on their grids."""
        for layer in self._layers.values():
            weight = cast("Tensor", layer.layer.weight)
            weight.copy_(fitted_weight(weight, self._layout.weight_bits))


@contextmanager
def trained_through(
    model: nn.Module, layout: Layout, images: Tensor, masks: Masks = NO_MASKS
) -> Iterator[LayoutView]:
    """Let `model` compute as its artifact under `layout` inside, while all of its weights learn.

    As seen_through, with two differences. A weight's scales are fitted to it (fitted_weight), since
    at 2 and 3 bits the channel's largest weight is a bad one: anew in each pass, as scales that
    wait for the next epoch lose ten points at 2 bits. And as all weights move, so do the ranges of
    activations: `refresh` makes their grids anew.

    Once settled, an artifact whose codes are the nearest ones has exactly the weights that were
    seen.
    """
    rounding = partial(fitted_weight, bits=layout.weight_bits)
    with layers_rounded(model, layout, images, rounding, masks) as layers:
        yield LayoutView(model, layers, layout, images)
