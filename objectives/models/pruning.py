"""Taking channels out of a network, with all that hangs on them."""

import ctypes
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from spaces import WHOLE, InputError, Pruned, weights_of_layers

_LONGEST_S = 60
"""For what takes a DenseNet-121 three seconds."""
_ROOTS = (nn.Conv2d, nn.Linear)
"""Layers whose outputs are channels."""


class Importance(Protocol):
    """Says how much channels matter; torch-pruning's are such."""

    def __call__(self, group: Any) -> Tensor | None:
        """Return [channels] of a torch_pruning group; None where it can say nothing."""
        ...


def first_channels(group: Any) -> Tensor:
    """Say that the later a channel comes, the more it matters: for shapes alone."""
    return torch.arange(len(group[0].idxs), dtype=torch.float32)


def cut_channels(
    model: nn.Module, pruned: Pruned, image_size: int, importance: Importance = first_channels
) -> None:
    """Remove the least important channels of every layer, as many as `pruned` says.

    What hangs on a channel goes with it: its batch norm, the layers that read it, and in a residual
    network the channels that are added to it (Fang et al. 2023, DepGraph, arXiv 2301.12900). The
    output layer keeps its classes. How many stay depends on no weight. Raises InputError where the
    network cannot be cut, or where a plan names a layer that leads none.
    """
    with _pruning(model):
        for each in _groups(model, pruned, image_size):
            each.chosen(importance).prune()
        with torch.no_grad():
            model(_black(model, image_size))


def unread_channels(
    model: nn.Module, pruned: Pruned, image_size: int, importance: Importance, share: float
) -> dict[str, Tensor]:
    """Return by name of layer which of its weights read channels that are to go.

    share: of the channels that `cut_channels` removes in the end, how many go now. Those that
    nothing reads any more are the first. Where these weights are zero, the network computes what it
    does without the channels. Booleans, false where a weight is to be zero. Raises InputError.
    """
    masks: dict[str, Tensor] = {}
    names = {module: name for name, module in model.named_modules()}
    with _pruning(model):
        for each in _groups(model, pruned, image_size):
            for layer, channels in _read(each.chosen(importance, share)):
                own = _without(layer, channels)
                masks[names[layer]] = masks[names[layer]] & own if names[layer] in masks else own
    return masks


def channels_alone(
    model: nn.Module, image_size: int, importance: Importance, shares: Sequence[float]
) -> Iterator[tuple[str, int, list[dict[str, Tensor]]]]:
    """Yield each layer whose channels can go, how many it has, and masks as of `unread_channels`.

    One mask for each of `shares`, of that layer's channels alone. `model` stays as it is. Raises
    InputError where it cannot be pruned.
    """
    found: list[tuple[str, int, list[list[tuple[Any, list[int]]]]]] = []
    with _pruning(model):
        for each in _groups(model, WHOLE, image_size):
            stays = [
                Pruned(share).left(each.layer, each.channels, each.together) for share in shares
            ]
            alone = [[*_read(replace(each, stays=one).chosen(importance))] for one in stays]
            found.append((each.layer, each.channels, alone))
    # What is done with a mask takes its time, which is not that of the walk.
    names = {module: name for name, module in model.named_modules()}
    for layer, channels, alone in found:
        masks = [{names[reads]: _without(reads, gone) for reads, gone in each} for each in alone]
        yield layer, channels, masks


def _without(layer: Any, channels: Sequence[int]) -> Tensor:
    mask = torch.ones_like(layer.weight, dtype=torch.bool)
    mask[:, channels] = False
    return mask


@contextmanager
def _pruning(model: nn.Module) -> Iterator[None]:
    """Prepare `model`, and say in one line what torch-pruning or the network raises."""
    if any(map(_is_attention, model.modules())):
        raise InputError(
            "its channels cannot be pruned: heads of attention look at channels by their place"
        )
    was_training = model.training
    model.eval()
    try:
        with _differentiable(model), _within(_LONGEST_S), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of parameters that are no layer's, which it cuts too.
            yield
    except InputError:
        raise
    except TimeoutError as error:
        raise InputError(
            f"its channels cannot be pruned: what hangs together is not found in {_LONGEST_S} s"
        ) from error
    except Exception as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"its channels cannot be pruned: {words}") from error
    finally:
        model.train(was_training)


@dataclass(frozen=True)
class _Group:
    """The channels of a layer, with all that hangs on them."""

    graph: Any
    group: Any
    layer: str
    channels: int
    together: int
    """In as many parts they lie, each of which loses the same ones."""
    stays: int

    def chosen(self, importance: Importance, share: float = 1.0) -> Any:
        """Return the torch_pruning group of those that go first."""
        part = self.channels // self.together
        gone = int(share * (self.channels - self.stays)) // self.together
        scores = importance(self.group) if gone else torch.zeros(self.channels)
        if scores is None:
            raise InputError(f"nothing tells the channels of {self.layer} apart")
        scores = scores.detach().cpu().masked_fill(self._unread(), -1.0)
        order = scores.view(self.together, part).mean(0).argsort(stable=True)[:gone]
        at = [start + int(one) for start in range(0, self.channels, part) for one in order]
        root = self.group[0].dep
        return self.graph.get_pruning_group(root.target.module, root.handler, sorted(at))

    def _unread(self) -> Tensor:
        """Return [channels] whether nothing reads them any more."""
        unread = torch.ones(self.channels, dtype=torch.bool)
        for layer, channels in _read(self.group):
            read = layer.weight.detach()[:, channels].abs().transpose(0, 1).flatten(1).sum(1)
            unread &= read.view(self.channels, -1).sum(1).cpu() == 0
        return unread


def _read(group: Any) -> Iterator[tuple[Any, list[int]]]:
    """Yield the layers that read a group's channels, and as which of their inputs."""
    for dep, channels in group:
        layer = dep.target.module
        if isinstance(layer, _ROOTS) and dep.handler.__name__ == "prune_in_channels":
            # Each group of a convolution reads the same places of its part.
            yield layer, [one % layer.weight.shape[1] for one in channels]


def _groups(model: nn.Module, pruned: Pruned, image_size: int) -> Iterator[_Group]:
    """Yield the channels that can go, layer by layer; each may be pruned before the next."""
    import torch_pruning

    images = _black(model, image_size)
    head = _last_layer(model, images)
    names = {module: name for name, module in model.named_modules()}
    planned = {*weights_of_layers(pruned.shares)}
    graph = torch_pruning.DependencyGraph().build_dependency(model, example_inputs=images)
    for group in graph.get_all_groups(ignored_layers=[head], root_module_types=[*_ROOTS]):
        root = group[0].dep.target.module
        layer, channels = names[root], int(graph.get_out_channels(root))
        together = max(1, *(_parts(item.dep.target.module) for item in group))
        planned.discard(layer)
        yield _Group(
            graph, group, layer, channels, together, pruned.left(layer, channels, together)
        )
    if planned:
        words = ", ".join(sorted(planned))
        raise InputError(f"prune.shares names {words}, which leads no channels of its own")


def _black(model: nn.Module, image_size: int) -> Tensor:
    return torch.zeros(1, 3, image_size, image_size, device=next(model.parameters()).device)


def _is_attention(module: nn.Module) -> bool:
    """Say whether a module has heads, whose channels are told apart by their place."""
    named = "Attention" in type(module).__name__ or isinstance(module, nn.MultiheadAttention)
    return named and any(hasattr(module, name) for name in ("num_heads", "n_heads", "heads"))


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


def _parts(module: nn.Module) -> int:
    """Return groups of which each must keep as many channels: not of a depthwise convolution."""
    if isinstance(module, nn.Conv2d) and module.groups != module.out_channels:
        return int(module.groups)
    return int(module.num_groups) if isinstance(module, nn.GroupNorm) else 1


def _last_layer(model: nn.Module, images: Tensor) -> nn.Module:
    """Return the layer that ran last: its outputs are the classes."""
    ran: list[nn.Module] = []

    def note(module: nn.Module, *_: object) -> None:
        ran.append(module)

    layers = [each for each in model.modules() if isinstance(each, _ROOTS)]
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


@contextmanager
def _differentiable(model: nn.Module) -> Iterator[None]:
    """Let the graph be read from autograd, whatever is frozen."""
    frozen = [each for each in model.parameters() if not each.requires_grad]
    for each in frozen:
        each.requires_grad_(True)
    try:
        with torch.enable_grad():
            yield
    finally:
        for each in frozen:
            each.requires_grad_(False)
