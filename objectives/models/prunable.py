"""Which channels can go from a network that cannot lose channels everywhere."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from objectives.models.channel_groups import (
    ROOTS,
    ChannelGroup,
    all_of,
    channel_group,
    first_channels,
    graph_of,
    groups_of,
    last_layer,
)
from objectives.models.channel_removal import (
    ChannelRemoval,
    drawn,
    drawn_image,
    random_channels,
    without_norms,
)
from objectives.models.structure import structure_of
from spaces import InputError, Pruned

_TRIED = Pruned(0.4)
"""Which a copy loses: of most layers an odd number."""
_LONGEST = 2_000_000
"""Walk along what hangs on a channel, in channels seen; a DenseNet-121 needs a third of it."""
_STEP = 500
"""Channels that a step counts as: the steps before it are gone through."""
_ATTENTION = "heads of attention look at channels by their place"
_PARAMETER = "a parameter that is no layer's has as many values"
_OUTPUTS = "they are outputs of the network"
_ENDLESS = "what hangs on them has no end"
_OTHERS = "without some of them it computes something else, by a norm over them or by their order"


@dataclass(frozen=True)
class Prunable:
    """Which layers can lose channels, and why others cannot."""

    layers: Sequence[str] | None
    """None: all, together."""
    whole: Mapping[str, str]
    """What stands in the way, by name of a layer that keeps all its channels."""

    @property
    def hindrances(self) -> str:
        """What stands in the way, in words: each cause, with how many layers it keeps whole."""
        causes: dict[str, list[str]] = defaultdict(list)
        for layer, cause in self.whole.items():
            causes[cause].append(layer)
        return "; ".join(f"{cause} ({_counted(layers)})" for cause, layers in causes.items())


_KNOWN: dict[tuple[bytes, int], Prunable] = {}
"""By structure and image size: every build of a pruned network asks."""


def prunable_of(model: nn.Module, image_size: int) -> Prunable:
    """Return which layers can lose channels; all, or those that can by themselves.

    Neither weights nor amounts decide: it is tried on a copy whose weights are drawn from a fixed
    seed, and once a process for networks that differ in weights alone. Raises TimeoutError where
    torch-pruning's walk finds no end.
    """
    structure = structure_of(model)
    if structure is None:
        return _tried_prunable(model, image_size)
    known = _KNOWN.get((structure, image_size))
    if known is None:
        known = _KNOWN[structure, image_size] = _tried_prunable(model, image_size)
    return known


def _tried_prunable(model: nn.Module, image_size: int) -> Prunable:
    if _goes_everywhere(model, image_size):
        return Prunable(None, {})
    return _by_themselves(model, image_size)


def _goes_everywhere(model: nn.Module, image_size: int) -> bool:
    """Say whether every layer can lose channels: without them the network computes what it did.

    But for norms over channels, which are left out here: they scale by what is left.
    """
    if any(map(_is_attention, model.modules())):
        return False
    tried, image = drawn(model), drawn_image(image_size)
    try:
        found = list(groups_of(tried, _TRIED, image_size))
        with without_norms(tried):
            return not ChannelRemoval(tried, image, found).changes(found)
    except (InputError, TimeoutError):
        raise
    except Exception:  # noqa: BLE001 - whatever is raised of shapes that do not fit
        return False


def _by_themselves(model: nn.Module, image_size: int) -> Prunable:
    """Return which channels can go while others stay: without them it computes what it did.

    What attention has, and what a parameter has that is no layer's, stays whole. Of the rest, zeros
    in place of what reads some channels, and the same channels gone, must give the same outputs.
    """
    tried, image = drawn(model), drawn_image(image_size)
    with _noting_attention(tried) as results:
        graph = graph_of(tried, image, plain=True)
    found, whole = _candidates(tried, graph, last_layer(tried, image), results)
    for layer in _changing(tried, image, found):
        whole[layer] = _OTHERS
    return Prunable([each.layer for each in found if each.layer not in whole], whole)


@contextmanager
def _noting_attention(model: nn.Module) -> Iterator[set[Any]]:
    """Note what computes, in autograd's graph, what attention is given and what it gives.

    Some of it calls none of its layers: it reads their weights.
    """
    computed: set[Any] = set()

    def note(_: nn.Module, given: object, named: object, gives: object) -> None:
        tensors = (each for each in tree_leaves((given, named, gives)) if isinstance(each, Tensor))
        computed.update(each.grad_fn for each in tensors if each.grad_fn is not None)

    attention = filter(_is_attention, model.modules())
    hooks = [each.register_forward_hook(note, with_kwargs=True) for each in attention]
    try:
        yield computed
    finally:
        for hook in hooks:
            hook.remove()


def _candidates(
    model: nn.Module, graph: Any, head: nn.Module, results: set[Any]
) -> tuple[list[ChannelGroup], dict[str, str]]:
    """Return what hangs on neither attention nor a bare parameter, and why other layers do not."""
    names = {module: name for name, module in model.named_modules()}
    walk = _Walk(_whole_modules(model, graph, results))
    walk.guard(graph)
    led: set[Any] = set()
    found: list[ChannelGroup] = []
    whole: dict[str, str] = {}
    for layer in [each for each in graph.module2node if isinstance(each, ROOTS)]:
        if layer in led or layer is head:
            continue
        try:
            each = _tried(channel_group(graph, walk.along(graph, layer), names, _TRIED))
        except _KeptWholeError as error:
            whole[names[layer]] = str(error)
            continue
        items = ((dep.target.module, dep.handler) for dep, _ in each.group)
        leads = {module for module, handler in items if graph.is_out_channel_pruning_fn(handler)}
        led |= leads
        if head in leads:
            whole[names[layer]] = _OUTPUTS
        else:
            found.append(each)
    return found, whole


class _KeptWholeError(Exception):
    """A layer's channels hang on what keeps them all."""


class _Walk:
    """A walk along what hangs on a channel, that stops where it comes to what stays whole."""

    def __init__(self, whole: Mapping[Any, str]) -> None:
        """whole: why modules and parameters stay as they are."""
        self._whole = whole
        self._left = math.inf

    def guard(self, graph: Any) -> None:
        """Look at every step of walks along `graph`."""
        for node in graph.module2node.values():
            for dep in node.dependencies:
                dep.index_mapping.append(self._step_to(self._whole.get(dep.target.module)))

    def along(self, graph: Any, layer: nn.Module) -> Any:
        """Return the torch_pruning group of all channels of a layer. Raises _KeptWholeError."""
        if layer in self._whole:
            raise _KeptWholeError(self._whole[layer])
        self._left = _LONGEST
        try:
            return all_of(graph, layer)
        except IndexError as error:  # The graph has another order than the network.
            raise _KeptWholeError(_OTHERS) from error
        finally:
            self._left = math.inf

    def _step_to(self, cause: str | None) -> Callable[[list[Any]], list[Any]]:
        def step(channels: list[Any]) -> list[Any]:
            self._left -= _STEP + len(channels)
            if channels and cause:
                raise _KeptWholeError(cause)
            if self._left < 0:
                raise _KeptWholeError(_ENDLESS)
            return channels

        return step


def _whole_modules(model: nn.Module, graph: Any, results: set[Any]) -> dict[Any, str]:
    attention = [each for each in model.modules() if _is_attention(each)]
    whole: dict[Any, str] = {each: _ATTENTION for one in attention for each in one.modules()}
    for module, node in graph.module2node.items():
        if isinstance(module, nn.Parameter):
            whole[module] = _PARAMETER
        elif node.grad_fn in results:
            whole[module] = _ATTENTION
    return whole


def _tried(each: ChannelGroup) -> ChannelGroup:
    """Return a group of which as many channels go everywhere, whichever are chosen.

    Raises _KeptWholeError of others.
    """
    try:
        choices = [each.chosen(importance) for importance in (random_channels, first_channels)]
    except Exception as error:
        raise _KeptWholeError(_OTHERS) from error
    sizes = [[(dep.target, dep.handler, len(gone)) for dep, gone in one] for one in choices]
    if sizes[0] != sizes[1] or sizes[0][0][2] != each.goes():
        raise _KeptWholeError(_OTHERS)
    return each


def _changing(model: nn.Module, image: Tensor, found: Sequence[ChannelGroup]) -> Iterator[str]:
    """Yield layers without some of whose channels, which nothing reads, outputs are others."""
    removal = ChannelRemoval(model, image, found)
    if not removal.changes(found):
        return
    stays = [each for each in found if not removal.changes([each])]
    # Two that hang together in a way that the graph does not show.
    together: list[ChannelGroup] = stays if not removal.changes(stays) else []
    for each in [] if together else stays:
        if not removal.changes([*together, each]):
            together.append(each)
    yield from (each.layer for each in found if each not in together)


def _is_attention(module: nn.Module) -> bool:
    """Say whether a module has heads, whose channels are told apart by their place."""
    name = type(module).__name__
    named = "Attention" in name or "Attn" in name or isinstance(module, nn.MultiheadAttention)
    return named and any(hasattr(module, name) for name in ("num_heads", "n_heads", "heads"))


def _counted(layers: Sequence[str]) -> str:
    return layers[0] if len(layers) == 1 else f"{len(layers)} layers, as {layers[0]}"
