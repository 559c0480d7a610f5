"""Outputs of modules inside a network, as its forward pass makes them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn


@contextmanager
def tapping(network: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Give a dictionary in which every forward pass leaves the outputs of the modules `names`."""
    seen: dict[str, Tensor] = {}

    def keep(name: str, module: nn.Module, inputs: Any, output: Tensor) -> None:  # noqa: ARG001
        seen[name] = output

    hooks = [
        network.get_submodule(name).register_forward_hook(partial(keep, name)) for name in names
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
