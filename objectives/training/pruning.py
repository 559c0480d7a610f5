"""What is pruned of a network: which of its channels matter least, and which weights are zero."""

from collections.abc import Callable, Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from objectives.data import resized
from objectives.models import Importance, cut_channels, kept_largest, unread_channels
from objectives.seeding import generator
from objectives.training.fake_quantization import Masks, SeenLayer, masked
from objectives.training.loop import TrainingGround
from spaces import Prune, Pruned, UnknownNameError

_TAYLOR_BATCHES = 8


def channel_importance(
    stage: Prune, model: nn.Module, image_size: int, ground: TrainingGround, seed: int
) -> Importance:
    """Return what `stage.criterion` says of the channels of `model`, by torch-pruning.

    Of `taylor` the gradients are those of the first batches of an epoch, in evaluation mode.
    Raises UnknownNameError.
    """
    from torch_pruning.pruner import importance

    if stage.criterion == "l1":
        made: Importance = importance.GroupMagnitudeImportance(p=1)
    elif stage.criterion == "l2":
        made = importance.GroupMagnitudeImportance(p=2)
    elif stage.criterion == "batch_norm":
        made = importance.BNScaleImportance()
    elif stage.criterion == "taylor":
        _take_gradients(model, stage, image_size, ground, seed)
        made = importance.GroupTaylorImportance()
    else:
        raise UnknownNameError("criterion", stage.criterion, ("l1", "l2", "batch_norm", "taylor"))
    return made


def check_criterion(stage: Prune, model: nn.Module, image_size: int) -> None:
    """Raise InputError where `stage.criterion` says nothing of channels that are to go."""
    if stage.removes != "channels" or stage.criterion != "batch_norm":
        return  # The others ask weights, which every layer has.
    from torch_pruning.pruner.importance import BNScaleImportance

    unread_channels(model, stage.pruned, image_size, BNScaleImportance(), 1.0)


def _take_gradients(
    model: nn.Module, stage: Prune, image_size: int, ground: TrainingGround, seed: int
) -> None:
    model.to(ground.device).eval()
    model.zero_grad(set_to_none=True)
    draws = generator("importance", seed)
    for number, batch in enumerate(ground.images.batches(1, stage.batch_size, draws)):
        if number == _TAYLOR_BATCHES:
            break
        cross_entropy(model(resized(batch.images, image_size)), batch.labels).backward()  # type: ignore[no-untyped-call]


class FadingWeights:
    """Layers whose smallest weights are zero, more of them as epochs go by."""

    def __init__(self, layers: Mapping[str, SeenLayer], stage: Prune, pruned: Pruned) -> None:
        self._layers = layers
        self._stage = stage
        self._pruned = pruned

    @torch.no_grad()
    def refresh(self, epoch: int) -> None:
        """Let as many weights be zero as the epoch is to have; what is zero already goes first.

        So what a run that goes on masks follows from its weights alone.
        """
        share = share_gone(self._stage, epoch)
        for name, layer in self._layers.items():
            weight = cast("Tensor", layer.layer.weight)
            zeros = int(share * self._pruned.zeros(name, weight.numel()))
            layer.mask = kept_largest(weight, zeros)
            weight.mul_(layer.mask)


class FadingChannels:
    """A network of whose channels fewer are read as epochs go by, until the rest can be cut out."""

    def __init__(
        self,
        model: nn.Module,
        layers: Mapping[str, SeenLayer],
        stage: Prune,
        chosen: Callable[[nn.Module, float], Masks],
    ) -> None:
        """chosen: says of weights, and of a share of what goes in the end, what is zero now."""
        self._model = model
        self._layers = layers
        self._stage = stage
        self._chosen = chosen

    def refresh(self, epoch: int) -> None:
        """Let as many channels be unread as the epoch is to have; those that are so go first."""
        masks = self._chosen(self._model, share_gone(self._stage, epoch))
        with torch.no_grad():
            for name, layer in self._layers.items():
                weight, mask = cast("Tensor", layer.layer.weight), masks.get(name)
                layer.mask = None if mask is None else mask.to(weight.device)
                if layer.mask is not None:
                    weight.mul_(layer.mask)


def prune_at_once(
    model: nn.Module,
    stage: Prune,
    pruned: Pruned,
    image_size: int,
    ground: TrainingGround,
    seed: int,
) -> None:
    """Take all out of a plain network that the stage takes out in the end; nothing learns.

    Raises InputError where the network cannot be pruned.
    """
    if stage.removes == "weights":
        with masked(model, ground.calibration(image_size)) as layers:
            FadingWeights(layers, stage, pruned).refresh(stage.epochs)
    else:
        importance = channel_importance(stage, model, image_size, ground, seed)
        cut_channels(model, pruned, image_size, importance)


def zeros_of(model: nn.Module, images: Tensor) -> Masks:
    """Return which weights of a plain network are not zero, by layer, as `masked` takes them."""
    with masked(model, images) as layers:
        return {name: cast("Tensor", one.layer.weight) != 0 for name, one in layers.items()}


def share_gone(stage: Prune, epoch: int) -> float:
    """Return how much of what goes in the end is gone in an epoch, from 1: all after the half."""
    half = max(stage.steps, -(-stage.epochs // 2))
    return min(stage.steps, 1 + (epoch - 1) * stage.steps // half) / stage.steps
