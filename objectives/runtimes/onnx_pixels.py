"""An ONNX file that takes images as they are: their normalisation is its first two nodes."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from objectives.runtimes.runtime import PixelInput

_TYPES = {"uint8": (TensorProto.UINT8, 255.0), "float": (TensorProto.FLOAT, 1.0)}
"""By kind of pixel, its type and its largest value."""
_NORMALISED = "normalised"


def take_pixels(artifact: Path, pixels: PixelInput) -> None:
    """Rewrite `artifact`, whose images [n, 3, h, w] are normalised, to take pixels instead.

    What makes sense of its answer goes into its metadata: class names, mean, deviation, size.
    """
    model = onnx.load_model(artifact)
    graph, (image, *_) = model.graph, model.graph.input
    kind, largest = _TYPES[pixels.kind]
    name = image.name
    for node in graph.node:
        node.input[:] = [_NORMALISED if each == name else each for each in node.input]
    image.type.tensor_type.elem_type = kind
    floats = f"{name}_float" if kind != TensorProto.FLOAT else name
    first = [
        helper.make_node("Mul", [floats, "pixel_scale"], ["pixels_scaled"], name="scale_pixels"),
        helper.make_node("Add", ["pixels_scaled", "pixel_offset"], [_NORMALISED], name="centre"),
    ]
    if floats != name:
        cast = helper.make_node("Cast", [name], [floats], name="to_float", to=TensorProto.FLOAT)
        first.insert(0, cast)
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*first, *nodes])
    mean, std = np.array([pixels.mean, pixels.std], dtype=np.float64).reshape(2, 1, 3, 1, 1)
    for tensor, values in (
        ("pixel_scale", 1 / (largest * std)),
        ("pixel_offset", -mean / std),
    ):
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), tensor))
    for key, value in (
        ("pixels", pixels.kind),
        ("image_size", str(pixels.image_size)),
        ("classes", json.dumps(list(pixels.classes), ensure_ascii=False)),
        ("mean", json.dumps(list(pixels.mean))),
        ("std", json.dumps(list(pixels.std))),
    ):
        model.metadata_props.add(key=key, value=value)
    artifact.write_bytes(model.SerializeToString(deterministic=True))
