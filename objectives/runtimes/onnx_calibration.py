"""Which tensors of a graph go on integer grids, and the ranges they take on calibration images."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper

from objectives.runtimes.onnx_session import open_session

_SAME_GRID = ("MaxPool", "Reshape", "Flatten", "Squeeze", "Transpose")
"""Values only move: the output has its input's grid."""
_READS = ("Conv", "Gemm", "AveragePool", "GlobalAveragePool")
"""Read integers."""
_READS_IF_THERE = ("Add", "ReduceMean")
"""Read integers where all they read is on grids already. In a sum of floats, such as a
transformer's residual stream or attention with a mask of -100, a grid would cost accuracy."""
_GIVES_FLOATS = "Gemm"
"""Its kernel gives floats as quickly: its output goes on a grid only where integers are read."""
_ACTIVATIONS = ("Relu", "Clip")
"""Fused into the node before them: the grid belongs to their output alone."""

_BATCH = 32


def tensors_on_grids(graph: onnx.GraphProto) -> dict[str, str]:
    """Return the tensors that integer arithmetic reads and writes: name to whose grid it has.

    Every tensor has its own but for those whose values only moved. The logits stay floats: on a
    grid of 256 steps close classes would tie.
    """
    constants = {tensor.name for tensor in graph.initializer}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    logits = graph.output[0].name
    grids: dict[str, str] = {}
    for node in graph.node:
        if node.op_type in _SAME_GRID and node.input[0] in grids and node.output[0] != logits:
            grids[node.output[0]] = grids[node.input[0]]
        if node.op_type in _READS:
            if node.input[0] in constants:
                continue
            grids.setdefault(node.input[0], node.input[0])
        elif node.op_type not in _READS_IF_THERE or not _on_grids(node, grids):
            continue
        output = node.output[0]
        after = readers.get(output, [])
        if len(after) == 1 and after[0].op_type in _ACTIVATIONS:
            output = after[0].output[0]
        if output != logits and node.op_type != _GIVES_FLOATS:
            grids[output] = output
    return grids


def _on_grids(node: onnx.NodeProto, grids: Mapping[str, str]) -> bool:
    """Whether both terms of a sum, or what a mean is taken of, are on grids."""
    read = node.input if node.op_type == "Add" else node.input[:1]
    return all(name in grids for name in read)


def largest_by_channel(
    model: onnx.ModelProto, names: list[str], images: NDArray[np.float32]
) -> Mapping[str, NDArray[np.float32]]:
    """Return the largest value [channels] of each of the tensors `names` on `images`."""
    found: dict[str, NDArray[np.float32]] = {}
    for name, values in tensors_of(session_with_outputs(model, names), names, images):
        largest = values.max(axis=(0, *range(2, values.ndim)))
        found[name] = np.maximum(found.get(name, largest), largest)
    return found


def tensors_of(
    session: ort.InferenceSession, names: Sequence[str], images: NDArray[np.float32]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield the tensors `names` by name, batch by batch of `images` [n, 3, h, w].

    session: one of session_with_outputs.
    """
    image = session.get_inputs()[0].name
    inner = [name for name in names if name != image]
    for start in range(0, len(images), _BATCH):
        batch = images[start : start + _BATCH]
        yield from zip(inner, session.run(inner, {image: batch}), strict=True)
        if image in names:
            yield image, batch


def session_with_outputs(model: onnx.ModelProto, names: list[str]) -> ort.InferenceSession:
    """Return a session of `model` that can give the tensors `names` too."""
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    ends = {model.graph.input[0].name, model.graph.output[0].name}
    for name in names:
        if name not in ends:
            observed.graph.output.append(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
            )
    return open_session(observed.SerializeToString(), threads=1)
