"""Networks that runtimes are tested with, and images for them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from objectives.models import initialised_model, save_weights
from objectives.runtimes.onnx_export import randomise
from spaces import Architecture

IMAGE_SIZE = 32
CLASSES = 10
RESNET20 = Architecture("cifar_resnet20")
RESNET18 = Architecture("resnet18")
MOBILENET = Architecture("mobilenet_v2", 0.25)


def images(count: int, seed: int) -> NDArray[np.float32]:
    """Return noise [count, 3, h, w]."""
    shape = (count, 3, IMAGE_SIZE, IMAGE_SIZE)
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def network(architecture: Architecture, seed: int) -> nn.Module:
    """Return a network none of whose tensors, batch norm's too, are still zeros or ones."""
    model = initialised_model(architecture, CLASSES, seed).eval()
    randomise(model, seed)
    return model


def weights_file(architecture: Architecture, seed: int, folder: Path) -> Path:
    """Write `network`'s weights."""
    path = folder / f"{architecture.key}-{seed}.safetensors"
    save_weights(network(architecture, seed), path)
    return path
