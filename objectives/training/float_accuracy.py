"""What a float network gets right, with batch-norm statistics that fit its weights."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from objectives.data import Data, Device, resized

_BATCH = 256

BatchNorm = nn.modules.batchnorm._BatchNorm  # noqa: SLF001 - torch has no public name for it


@torch.inference_mode()
def logits_of(model: nn.Module, images: Tensor) -> Tensor:
    """Return the network's logits [n, classes] on normalised images [n, 3, h, w]."""
    return _logits(model, torch.split(images, _BATCH))


@torch.inference_mode()
def logits_at(
    model: nn.Module, image_size: int, images: Tensor, data: Data, device: Device
) -> Tensor:
    """Return the logits [n, classes] of a network on `device` that sees images of `image_size`.

    images: uint8 [n, 3, h, w] of `data`; normalised and resized a batch at a time, as the floats of
    a whole split may be more than there is memory.
    """
    batches = (data.normalise(batch.to(device)) for batch in torch.split(images, _BATCH))
    return _logits(model, (resized(batch, image_size) for batch in batches))


def _logits(model: nn.Module, batches: Iterable[Tensor]) -> Tensor:
    with evaluating(model):
        return torch.cat([model(batch) for batch in batches])


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put the network in evaluation mode inside, and every module back afterwards."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def fitting_statistics(model: nn.Module, images: Tensor) -> Iterator[None]:
    """Let batch-norm statistics be those of `images` [n, 3, h, w] inside; put them back after.

    The running averages of training lag behind the weights by tens of steps, which in a short
    training is most of it: without this the first epochs' accuracy says nothing.
    """
    layers = [module for module in model.modules() if isinstance(module, BatchNorm)]
    kept = [(buffer, buffer.clone()) for layer in layers for buffer in layer.buffers()]
    re_estimate_statistics(model, images)
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in kept:
                buffer.copy_(value)


@torch.no_grad()
def re_estimate_statistics(model: nn.Module, images: Tensor) -> None:
    """Replace the batch-norm statistics by their averages over batches of `images`."""
    layers = [module for module in model.modules() if isinstance(module, BatchNorm)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    with evaluating(model):
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # a plain average over batches
            layer.train()
        for batch in torch.split(images, _BATCH):
            if len(batch) > 1:
                model(batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
