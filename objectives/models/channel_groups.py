"""Channels that hang together, as torch-pruning's graph has them."""

import ctypes
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from spaces import InputError, Pruned, weights_of_layers

_LONGEST_S = 60
"""For what takes a DenseNet-121 three seconds."""
ROOTS = (nn.Conv2d, nn.Linear)
"""Layers whose outputs are channels."""


class Importance(Protocol):
    """Says how much channels matter; torch-pruning's are such."""

    def __call__(self, group: Any) -> Tensor | None:
        """Return [channels] of a torch_pruning group; None where it can say nothing."""
        ...


def first_channels(group: Any) -> Tensor:
    """Say that the later a channel comes, the more it matters: for shapes alone."""
    return torch.arange(len(group[0].idxs), dtype=torch.float32)


@dataclass(frozen=True)
class ChannelGroup:
    """The channels of a layer, with all that hangs on them."""

    graph: Any
    group: Any
    layer: str
    channels: int
    together: int
    """In as many parts they lie, each of which loses the same ones."""
    stays: int

    def chosen(self, importance: Importance, share: float = 1.0) -> Any:
        """Return the torch_pruning group of those that go first. Raises InputError."""
        part = self.channels // self.together
        gone = self.goes(share) // self.together
        scores = importance(self.group) if gone else torch.zeros(self.channels)
        if scores is None:
            raise InputError(
                f"the criterion says nothing of the channels of {self.layer}: batch_norm is for "
                "those that have a batch norm"
            )
        scores = scores.detach().cpu().masked_fill(self._unread(), -1.0)
        order = scores.view(self.together, part).mean(0).argsort(stable=True)[:gone]
        at = [start + int(one) for start in range(0, self.channels, part) for one in order]
        return self.of(sorted(at))

    def goes(self, share: float = 1.0) -> int:
        """Return how many channels go, where `share` of those go that go in the end."""
        return int(share * (self.channels - self.stays)) // self.together * self.together

    def of(self, channels: Sequence[int]) -> Any:
        """Return the torch_pruning group of some of the layer's channels."""
        root = self.group[0].dep
        return self.graph.get_pruning_group(root.target.module, root.handler, list(channels))

    def _unread(self) -> Tensor:
        """Return [channels] whether nothing reads them any more."""
        unread = torch.ones(self.channels, dtype=torch.bool)
        for item in _reading(self.group):
            weight = item.dep.target.module.weight.detach()
            read = weight[:, _places(item)].abs().transpose(0, 1).flatten(1).sum(1).cpu()
            unread[torch.tensor(item.root_idxs)[read > 0]] = False
        return unread


def readers(group: Any) -> Iterator[tuple[Any, list[int]]]:
    """Yield the layers that read a group's channels, and as which of their inputs."""
    for item in _reading(group):
        yield item.dep.target.module, _places(item)


def _reading(group: Any) -> Iterator[Any]:
    for item in group:
        named = item.dep.handler.__name__
        if isinstance(item.dep.target.module, ROOTS) and named == "prune_in_channels":
            yield item


def _places(item: Any) -> list[int]:
    # Each group of a convolution reads the same places of its part.
    return [one % item.dep.target.module.weight.shape[1] for one in item.idxs]


def without(layer: Any, channels: Sequence[int]) -> Tensor:
    """Return which weights of a layer read other inputs than `channels`, as its weight is."""
    mask = torch.ones_like(layer.weight, dtype=torch.bool)
    mask[:, channels] = False
    return mask


def groups_of(
    model: nn.Module, pruned: Pruned, image_size: int, layers: Sequence[str] | None = None
) -> Iterator[ChannelGroup]:
    """Yield the channels that can go, layer by layer; each may be pruned before the next.

    layers: those that lead them; None: all, found here. Raises InputError where a plan names a
    layer that leads none, and TimeoutError where torch-pruning's walk finds no end.
    """
    names = {module: name for name, module in model.named_modules()}
    images = black(model, image_size)
    planned = {*weights_of_layers(pruned.shares)}
    with _within(_LONGEST_S):
        graph = graph_of(model, images, plain=layers is not None)
        if layers is None:
            head = last_layer(model, images)
            found = graph.get_all_groups(ignored_layers=[head], root_module_types=[*ROOTS])
        else:
            found = (all_of(graph, model.get_submodule(layer)) for layer in layers)
        for group in found:
            each = channel_group(graph, group, names, pruned)
            planned.discard(each.layer)
            yield each
    if planned:
        words = ", ".join(sorted(planned))
        raise InputError(f"prune.shares names {words}, which leads no channels of its own")


def graph_of(model: nn.Module, images: Tensor, *, plain: bool) -> Any:
    """Return torch-pruning's graph of what a network does with `images`.

    plain: channels keep their places in all that reshapes, but where maps become one row. What
    else torch-pruning looks for takes seconds a group in some networks, and fails in others.
    """
    from torch_pruning import DependencyGraph
    from torch_pruning.ops import OPTYPE

    class PlainGraph(DependencyGraph):  # type: ignore[misc]
        def _trace(self, *settings: Any, **named: Any) -> Any:
            nodes = super()._trace(*settings, **named)
            for node in nodes.values():
                if node.type == OPTYPE.EXPAND or (
                    node.type == OPTYPE.RESHAPE and not _gives_one_row(node.grad_fn)
                ):
                    node.type = OPTYPE.ELEMENTWISE
            return nodes

    graph = PlainGraph() if plain else DependencyGraph()
    return graph.build_dependency(model, example_inputs=images)


def _gives_one_row(grad_fn: Any) -> bool:
    """Say whether all of an image becomes one row, as it is one image."""
    shape = grad_fn._input_metadata[0].shape  # noqa: SLF001 - no other name has it
    return len(shape) == 2 and shape[0] == 1


def all_of(graph: Any, layer: nn.Module) -> Any:
    """Return the torch_pruning group of all channels of a layer."""
    pruner = graph.get_pruner_of_module(layer)
    channels = range(graph.get_out_channels(layer))
    return graph.get_pruning_group(layer, pruner.prune_out_channels, list(channels))


def channel_group(
    graph: Any, group: Any, names: dict[nn.Module, str], pruned: Pruned
) -> ChannelGroup:
    """Return a torch_pruning group with how many of its channels stay."""
    root = group[0].dep.target.module
    layer, channels = names[root], int(graph.get_out_channels(root))
    together = max(1, *(_parts(item.dep.target.module) for item in group))
    stays = pruned.left(layer, channels, together)
    return ChannelGroup(graph, group, layer, channels, together, stays)


def black(model: nn.Module, image_size: int) -> Tensor:
    """Return one black image where the model is: [1, 3, image_size, image_size]."""
    return next(model.parameters()).new_zeros(1, 3, image_size, image_size)


def last_layer(model: nn.Module, images: Tensor) -> nn.Module:
    """Return the layer that ran last: its outputs are the classes. Raises InputError."""
    ran: list[nn.Module] = []

    def note(module: nn.Module, *_: object) -> None:
        ran.append(module)

    layers = [each for each in model.modules() if isinstance(each, ROOTS)]
    hooks = [each.register_forward_hook(note) for each in layers]
    try:
        with torch.no_grad():
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
    if not ran:
        raise InputError("its channels cannot be pruned: no layer of it is linear or a convolution")
    return ran[-1]


def _parts(module: nn.Module) -> int:
    """Return groups of which each must keep as many channels: not of a depthwise convolution."""
    if isinstance(module, nn.Conv2d) and module.groups != module.out_channels:
        return int(module.groups)
    return int(module.num_groups) if isinstance(module, nn.GroupNorm) else 1


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError where the block takes longer: torch-pruning's walk may have no end.

    In any thread, so by an exception that another one sends.
    """
    send, thread = ctypes.pythonapi.PyThreadState_SetAsyncExc, threading.get_ident()
    timer = threading.Timer(seconds, send, (ctypes.c_ulong(thread), ctypes.py_object(TimeoutError)))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
