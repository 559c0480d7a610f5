"""What turns trained weights into the file that is weighed, timed and scored, and runs it."""

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
from spaces import UnknownNameError

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
