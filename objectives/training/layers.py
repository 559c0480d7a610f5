"""Which layers of a network are worth comparing with another's, found by running it once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from objectives.seeding import seeded
from objectives.training.float_accuracy import evaluating
from objectives.training.taps import INPUT
from spaces import InputError

_IMAGES = 2

Shape = tuple[int, ...]


@dataclass(frozen=True)
class _Call:
    """One call of a module."""

    name: str
    module: nn.Module
    given: Shape
    gave: Shape

    def is_inside(self, other: "_Call") -> bool:
        return self.name.startswith(f"{other.name}.")


def map_ends(network: nn.Module, image_size: int) -> tuple[str, ...]:
    """Return the names of the layers whose maps [b, c, h, w] are the last of their size, in order.

    Of each side h = w > 1 it is the module that ends last, and of a block that shrinks maps, what
    stands before it and not what is inside. Pooled maps are none. Raises InputError where there is
    no map, or where what follows the last one are tokens [b, t, c], as in transformers.
    """
    calls, _ = _calls_of(network, image_size)
    # What no convolution gives is an attention of t tokens, [b, heads, t, t], or a pooled map.
    sides = {_side(call.gave) for call in calls if _convolves(call.module)} - {0, 1}
    maps = [
        call
        for call in calls
        if _side(call.gave) in sides and not isinstance(call.module, nn.AdaptiveAvgPool2d)
    ]
    if not maps or any(_is_tokens(call.gave) for call in calls[calls.index(maps[-1]) :]):
        raise InputError(
            "has no feature maps [b, c, h, w] as far as its classifier (a transformer's are "
            "tokens): a layer that gives one must be named"
        )
    # From the end, as a branch may shrink its map aside, for attention perhaps.
    by_side: dict[int, list[_Call]] = {}
    for call in reversed(maps):
        if _side(call.gave) >= max(by_side, default=0):
            by_side.setdefault(_side(call.gave), []).insert(0, call)
    ends, smaller = [], 1
    for side, candidates in by_side.items():
        shrink = [call for call in calls if _sides(call) == (side, smaller)]
        outside = [one for one in candidates if not any(map(one.is_inside, shrink))]
        ends.append((outside or candidates)[-1].name)
        smaller = side
    return tuple(reversed(ends))


def classifier_input(network: nn.Module, image_size: int) -> str:
    """Return the tap of what the layer that gives the logits is given: the embedding.

    Raises InputError where no linear layer or convolution gives as many values as there are logits.
    """
    calls, classes = _calls_of(network, image_size)
    adapted = [call for call in calls if _is_adapted(call.module)]
    layers = [
        call
        for call in calls
        if (isinstance(call.module, nn.Linear | nn.Conv2d) or _is_adapted(call.module))
        and not any(map(call.is_inside, adapted))
        and call.gave[:2] == (_IMAGES, classes)
        and call.given
    ]
    if not layers:
        raise InputError(
            f"has no linear layer or convolution that gives its {classes} logits: the layer whose "
            "output is its embedding must be named"
        )
    return f"{layers[-1].name}{INPUT}"


def _convolves(module: nn.Module) -> bool:
    # An adapted layer that is seen through a layout does not call the one that it has inside.
    return isinstance(getattr(module, "base_layer", module), nn.Conv2d)


def _is_adapted(module: nn.Module) -> bool:
    """Say whether peft put a layer in place of another, which it has inside."""
    return hasattr(module, "base_layer")


def _calls_of(network: nn.Module, image_size: int) -> tuple[Sequence[_Call], int]:
    """Return the calls that end in a tensor, of modules called once, in order; and the classes.

    Nothing of the network changes, nor does the global RNG.
    """
    calls: list[_Call] = []

    def note(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        given = inputs[0] if inputs else None
        calls.append(_Call(name, module, _shape(given), _shape(output)))

    weight = next(network.parameters())
    shape = (_IMAGES, 3, image_size, image_size)
    images = torch.zeros(shape, dtype=weight.dtype, device=weight.device)
    hooks = [
        module.register_forward_hook(partial(note, name))
        for name, module in network.named_modules()
    ]
    try:
        with seeded("layers"), evaluating(network), torch.no_grad():
            logits = network(images.contiguous(memory_format=torch.channels_last))
    finally:
        for hook in hooks:
            hook.remove()
    times = Counter(call.name for call in calls)
    return [call for call in calls if call.gave and times[call.name] == 1], logits.shape[1]


def _shape(value: object) -> Shape:
    return tuple(value.shape) if isinstance(value, Tensor) else ()


def _side(shape: Shape) -> int:
    """Return the side of maps [b, c, side, side], 0 of anything else. Images are square."""
    is_map = len(shape) == 4 and shape[0] == _IMAGES and shape[2] == shape[3]
    return shape[2] if is_map else 0


def _sides(call: _Call) -> tuple[int, int]:
    return _side(call.given), _side(call.gave)


def _is_tokens(shape: Shape) -> bool:
    """Say whether it is of tokens [b, t, c] or of maps with channels last [b, h, w, c]."""
    if len(shape) == 3:
        return shape[0] == _IMAGES and shape[1] > 1
    return len(shape) == 4 and shape[0] == _IMAGES and 1 < shape[1] == shape[2] != shape[3]
