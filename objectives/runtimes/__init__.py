"""What turns trained weights into the file that is weighed, timed and scored, and runs it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from objectives.runtimes.runtime import (
    ArtifactWriter,
    LayerMemory,
    LearnsCodes,
    MeasuresLayers,
    PixelInput,
    PixelKind,
    Runtime,
    Template,
)
from spaces import LayerSensitivity, Network, UnknownNameError

if TYPE_CHECKING:  # It needs onnxruntime.
    from objectives.runtimes.onnx_layers import Examined

__all__ = [
    "RUNTIMES",
    "ArtifactWriter",
    "LayerMemory",
    "LearnsCodes",
    "MeasuresLayers",
    "PixelInput",
    "PixelKind",
    "Runtime",
    "Template",
    "examined",
    "runtime_named",
]

RUNTIMES = ("onnxruntime", "executorch", "openvino")
"""Names `runtime_named` knows; all but the first are extras."""


def runtime_named(name: str) -> Runtime:
    """Return the runtime of that name.

    Raises UnknownNameError for another name and InputError when its package is not installed.
    """
    if name == "onnxruntime":
        from objectives.runtimes.onnx_runtime import OnnxRuntime

        return OnnxRuntime()
    if name == "executorch":
        from objectives.runtimes.executorch_runtime import ExecutorchRuntime

        return ExecutorchRuntime()
    if name == "openvino":
        from objectives.runtimes.openvino_runtime import OpenvinoRuntime

        return OpenvinoRuntime()
    raise UnknownNameError("runtime", name, RUNTIMES)


def examined(
    network: Network,
    classes: int,
    templates: Path,
    weights: Path,
    calibration: NDArray[np.float32],
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    sensitivity: Sequence[LayerSensitivity],
) -> "Examined":
    """Return trained weights to look at layer by layer: by onnxruntime, whatever a study runs by.

    See Examined. Raises InputError where the network cannot be exported.
    """
    from objectives.runtimes.onnx_layers import Examined
    from objectives.runtimes.onnx_runtime import OnnxRuntime

    template = OnnxRuntime().template(network, classes, templates)
    writer = template.writer(weights, calibration, sensitivity)
    return Examined(template, writer, calibration, images, labels)
