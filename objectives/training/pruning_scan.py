"""What a network loses when one layer alone is pruned, and the others are not."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from objectives.metrics import log_probabilities, mean_divergence
from objectives.models import Importance, channels_alone
from objectives.training.fake_quantization import Masks, masked
from objectives.training.float_accuracy import logits_of
from spaces import LayerLosses

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)


def losses_of_channels(
    model: nn.Module,
    image_size: int,
    images: Tensor,
    importance: Importance,
    shares: Sequence[float] = SHARES,
) -> Iterator[LayerLosses]:
    """Yield what each layer's channels are worth: mean KL(whole || without them), nats an image.

    images: [n, 3, image_size, image_size], normalised. `model` stays as it is. Raises InputError
    where it cannot be pruned.
    """
    whole = _answers(model, images)
    for layer, channels, masks in channels_alone(model, image_size, importance, shares):
        lost = [_lost(model, images, each, whole) for each in masks]
        yield LayerLosses(layer, channels, dict(zip(shares, lost, strict=True)))


def losses_of_weights(
    model: nn.Module, images: Tensor, shares: Sequence[float] = SHARES
) -> Iterator[LayerLosses]:
    """Yield what each layer's smallest weights are worth, as losses_of_channels does."""
    whole = _answers(model, images)
    with masked(model, images) as layers:
        weights = {name: cast("Tensor", one.layer.weight) for name, one in layers.items()}
    for name, weight in weights.items():
        order = weight.detach().abs().flatten().argsort(stable=True)
        lost = []
        for share in shares:
            mask = torch.ones(weight.numel(), dtype=torch.bool)
            mask[order[: round(share * len(order))]] = False
            lost.append(_lost(model, images, {name: mask.view(weight.shape)}, whole))
        yield LayerLosses(name, weight.numel(), dict(zip(shares, lost, strict=True)))


def _answers(model: nn.Module, images: Tensor) -> NDArray[np.float64]:
    return log_probabilities(logits_of(model, images).numpy())


def _lost(model: nn.Module, images: Tensor, masks: Masks, whole: NDArray[np.float64]) -> float:
    with _zeroed(model, masks):
        return max(0.0, mean_divergence(whole, _answers(model, images)))


@contextmanager
def _zeroed(model: nn.Module, masks: Masks) -> Iterator[None]:
    """Let weights be zero inside."""
    weights = {name: cast("Tensor", model.get_submodule(name).weight) for name in masks}
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    try:
        with torch.no_grad():
            for name, weight in weights.items():
                weight.mul_(masks[name])
        yield
    finally:
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(before[name])
