"""Taking channels out of a network, with all that hangs on them."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from objectives.models.channel_groups import (
    ChannelGroup,
    Importance,
    black,
    first_channels,
    groups_of,
    readers,
    without,
)
from objectives.models.prunable import prunable_of
from spaces import WHOLE, InputError, Pruned, weights_of_layers


def cut_channels(
    model: nn.Module, pruned: Pruned, image_size: int, importance: Importance = first_channels
) -> None:
    """Remove the least important channels of every layer, as many as `pruned` says.

    What hangs on a channel goes with it: its batch norm, the layers that read it, and in a residual
    network the channels that are added to it (Fang et al. 2023, DepGraph, arXiv 2301.12900). The
    output layer keeps its classes. Where not every layer can lose channels, those do that can by
    themselves. How many stay depends on no weight. Raises InputError where none can go, or where a
    plan names a layer whose channels cannot.
    """
    with _pruning(model):
        for each in _groups(model, pruned, image_size):
            each.chosen(importance).prune()
        _run(model, image_size)


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
            for layer, channels in readers(each.chosen(importance, share)):
                own = without(layer, channels)
                masks[names[layer]] = masks[names[layer]] & own if names[layer] in masks else own
    return masks


def channels_alone(
    model: nn.Module, image_size: int, importance: Importance, shares: Sequence[float]
) -> Iterator[tuple[str, int, list[dict[str, Tensor]]]]:
    """Yield each layer whose channels can go, how many it has, and masks as of `unread_channels`.

    One mask for each of `shares`, of that layer's channels alone. `model` stays as it is. Raises
    InputError where it cannot be pruned.
    """
    found: list[tuple[ChannelGroup, list[list[tuple[Any, list[int]]]]]] = []
    with _pruning(model):
        for each in _groups(model, WHOLE, image_size):
            stays = [
                Pruned(share).left(each.layer, each.channels, each.together) for share in shares
            ]
            alone = [[*readers(replace(each, stays=one).chosen(importance))] for one in stays]
            found.append((each, alone))
    # What is done with a mask takes its time, which is not that of the walk.
    names = {module: name for name, module in model.named_modules()}
    for each, alone in found:
        masks = [{names[layer]: without(layer, gone) for layer, gone in read} for read in alone]
        yield each.layer, each.channels, masks


def _groups(model: nn.Module, pruned: Pruned, image_size: int) -> Iterator[ChannelGroup]:
    """Yield what can go, layer by layer; each may be pruned before the next."""
    layers = _prunable_layers(model, pruned, image_size)
    return groups_of(model, pruned, image_size, layers)


def _prunable_layers(model: nn.Module, pruned: Pruned, image_size: int) -> Sequence[str] | None:
    """Return which layers lead channels that can go; None: all do. Raises InputError."""
    prunable = prunable_of(model, image_size)
    for layer in weights_of_layers(pruned.shares):
        if layer in prunable.whole:
            raise InputError(
                f"prune.shares names {layer}, whose channels all stay: {prunable.whole[layer]}"
            )
    if prunable.layers is not None and not prunable.layers:
        raise InputError(f"its channels cannot be pruned: {prunable.hindrances}")
    return prunable.layers


def _run(model: nn.Module, image_size: int) -> None:
    with torch.no_grad():
        model(black(model, image_size))


@contextmanager
def _pruning(model: nn.Module) -> Iterator[None]:
    """Prepare `model`, and say in one line what torch-pruning or the network raises."""
    was_training = model.training
    model.eval()
    try:
        with _differentiable(model), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of parameters that are no layer's, which it cuts too.
            yield
    except InputError:
        raise
    except TimeoutError as error:
        words = "its channels cannot be pruned: what hangs together is not found in time"
        raise InputError(words) from error
    except Exception as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"its channels cannot be pruned: {words}") from error
    finally:
        model.train(was_training)


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
