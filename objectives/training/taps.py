"""Inner tensors of a network, as its forward pass makes them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

INPUT = ":input"
"""After a module's name: what it is given, not what it gives."""


@contextmanager
def tapping(network: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Give a dictionary in which every forward pass leaves the tensors that `names` tap.

    A name is a module's and means its output; with INPUT after it, its first input.
    """
    seen: dict[str, Any] = {}

    def keep(name: str, module: nn.Module, inputs: Any, output: Tensor) -> None:  # noqa: ARG001
        seen[name] = next(iter(inputs), None) if name.endswith(INPUT) else output

    hooks = [tapped(network, name).register_forward_hook(partial(keep, name)) for name in names]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def tapped(network: nn.Module, name: str) -> nn.Module:
    """Return the module that a tap's name means; raises AttributeError where there is none.

    The whole network, which has no name, is none. Names are those of the network before adapters
    were attached; peft's own, around them, are known too.
    """
    path = name.removesuffix(INPUT)
    whole: Any = network
    inner = whole.get_base_model() if hasattr(whole, "peft_config") else whole
    try:
        module: nn.Module = inner.get_submodule(path)
    except AttributeError:
        module = network.get_submodule(path)
    if module is network:
        raise AttributeError("a tap must have a module's name")
    return module
