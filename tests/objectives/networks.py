"""Networks that runtimes are tested with, and images for them."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from torch import nn

from objectives.models import initialised_model, save_weights
from objectives.runtimes.onnx_export import randomise
from spaces import Network

IMAGE_SIZE = 32
CLASSES = 10
RESNET20 = Network("cifar_resnet20")
RESNET18 = Network("resnet18")
MOBILENET = Network("mobilenet_v2", 0.25)


def images(count: int, seed: int, image_size: int = IMAGE_SIZE) -> NDArray[np.float32]:
    """Return noise [count, 3, h, w]."""
    shape = (count, 3, image_size, image_size)
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def random_model(network: Network, seed: int) -> nn.Module:
    """Return a network none of whose tensors, batch norm's too, are still zeros or ones."""
    model = initialised_model(network, CLASSES, seed).eval()
    randomise(model, seed)
    return model


def weights_file(network: Network, seed: int, folder: Path) -> Path:
    """Write the weights of `random_model`."""
    path = folder / f"{network.key.replace('/', '-')}-{seed}.safetensors"
    save_weights(random_model(network, seed), path)
    return path


def unsaturated_logits(artifact: Path, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run a file one image at a time, with sums of 8-bit products that do not overflow.

    By default they do on x86 processors without VNNI, which is no fault of the file.
    """
    options = ort.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = ort.InferenceSession(artifact, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: image[None]})[0] for image in inputs])


def kernels(artifact: Path, folder: Path) -> Counter[str]:
    """Operators left after onnxruntime's own fusions."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    ort.InferenceSession(str(artifact), options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(options.optimized_model_filepath).graph.node
    return Counter(node.op_type for node in nodes)
