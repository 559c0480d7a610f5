"""Each layout, as ONNX nodes that onnxruntime folds at load or fuses into kernels.

What a weight costs at run time depends on how it is written: onnxruntime folds Cast and Mul of
constants into the float weight, but never a lone DequantizeLinear, which it either fuses into an
integer kernel (when its input is dequantized too) or computes anew on every call. Hence
weight-only layouts use Cast and Mul, and static ones DequantizeLinear.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto

from objectives.quantization import (
    ActivationGrid,
    QuantizedWeight,
    quantize_bias,
    quantize_weight,
    scale_floor_for_bias,
)
from objectives.runtimes.onnx_bit_planes import bit_planes, from_bit_planes
from objectives.runtimes.onnx_constants import Array
from objectives.runtimes.onnx_graph import GraphWriter
from objectives.runtimes.onnx_template import FilledGraph, FoldedLayer
from spaces import (
    DistilfrontError,
    DynamicLinear,
    Float16,
    Float32,
    Layout,
    Static,
    WeightOnly,
)

_WRITTEN = (Float32, Float16, WeightOnly, Static, DynamicLinear)
"""These alone: one that is derived from them is another layout."""
_STORED: Mapping[int, Any] = {8: np.int8, 4: ml_dtypes.int4}
"""By bits of a code, the integers that ONNX packs in as many bits."""


def write_model(
    filled: FilledGraph,
    layout: Layout,
    grids: Mapping[str, ActivationGrid],
    weights: Mapping[str, QuantizedWeight] = MappingProxyType({}),
) -> onnx.ModelProto:
    """Return the file's content; `grids`, by tensor name, are what Static needs and nobody else.

    weights: by node, of layouts that round them, where they are not to be rounded to nearest.
    Raises DistilfrontError for a layout that has no form here: none is written as another.
    """
    if type(layout) not in _WRITTEN:
        raise DistilfrontError(f"onnxruntime has no way to write the layout {layout.key}")
    writer = GraphWriter(filled.template.skeleton)
    for name, values in filled.others.items():
        _float_tensor(writer, name, values, layout)
    if isinstance(layout, Static):
        _write_static(writer, filled, layout, grids, weights)
    else:
        _write_float(writer, filled, layout, weights)
    return writer.model({"layout": layout.key})


def _write_float(
    writer: GraphWriter, filled: FilledGraph, layout: Layout, weights: Mapping[str, QuantizedWeight]
) -> None:
    """Write the graph with float arithmetic, whatever the weights are stored in."""
    for node in filled.template.skeleton.graph.node:
        folded = filled.layers.get(node.name)
        if folded is None:
            writer.copy_of(node)
        elif isinstance(layout, DynamicLinear) and node.op_type == "Gemm":
            _dynamic_linear(writer, node, folded)
        else:
            _float_layer(writer, node, folded, layout, weights.get(node.name))


def _float_layer(
    writer: GraphWriter,
    node: onnx.NodeProto,
    folded: FoldedLayer,
    layout: Layout,
    quantized: QuantizedWeight | None = None,
) -> None:
    layer = folded.layer
    if isinstance(layout, WeightOnly):
        quantized = quantized or quantize_weight(folded.weight, layout.bits)
        floats = _codes_as_floats(writer, f"{layer.weight}_codes", quantized)
        shape = (-1, *[1] * (folded.weight.ndim - 1))
        scale = writer.tensor(f"{layer.weight}_scale", quantized.scale.reshape(shape))
        writer.node("Mul", [floats, scale], layer.weight)
    else:
        _float_tensor(writer, layer.weight, folded.weight, layout)
    if layer.bias is not None and folded.bias is not None:
        _float_tensor(writer, layer.bias, folded.bias, layout)
    writer.copy_of(node)


def _float_tensor(writer: GraphWriter, name: str, values: Array, layout: Layout) -> None:
    if isinstance(layout, Float16) and values.dtype == np.float32:
        half = writer.tensor(f"{name}_half", _halves(values))
        writer.node("Cast", [half], name, to=TensorProto.FLOAT)
    else:
        writer.tensor(name, values)


def _halves(values: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.float16]]:
    """Return `values` in 16 bits; what is beyond their range becomes the largest, not infinity."""
    limit = float(np.finfo(np.float16).max)
    return values.clip(-limit, limit).astype(np.float16)


def _codes_as_floats(writer: GraphWriter, name: str, quantized: QuantizedWeight) -> str:
    """Write codes in as many bits as they need; return the name of what they are as floats."""
    codes, bits, floats = quantized.codes, quantized.bits, f"{name}_float"
    if bits in _STORED:
        writer.tensor(name, _storable(quantized))
        return writer.node("Cast", [name], floats, to=TensorProto.FLOAT)
    writer.tensor(name, bit_planes(codes, bits))
    shape = writer.tensor(f"{name}_shape", np.array(codes.shape, np.int64))
    return writer.call(from_bit_planes(bits), [name, shape], floats)


def _storable(quantized: QuantizedWeight) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    """Return codes in the type whose ONNX encoding takes as many bits as they need."""
    return quantized.codes.astype(_STORED[quantized.bits])


def _dynamic_linear(writer: GraphWriter, node: onnx.NodeProto, folded: FoldedLayer) -> None:
    """Replace a Gemm by nodes as quantize_dynamic writes them and onnxruntime's kernels fuse."""
    weight, output = folded.layer.weight, node.output[0]
    quantized = quantize_weight(folded.weight, 8)
    codes = writer.tensor(f"{weight}_codes", quantized.codes.T)
    scale = writer.tensor(f"{weight}_scale", quantized.scale)
    zero = writer.tensor(f"{weight}_zero", np.zeros(quantized.scale.shape, np.int8))
    taken = f"{node.input[0]}_taken"
    names = [f"{taken}_codes", f"{taken}_scale", f"{taken}_zero"]
    if not writer.has(names[0]):  # Heads may share what they read.
        writer.nodes("DynamicQuantizeLinear", [node.input[0]], names)
    total = writer.node("MatMulInteger", [names[0], codes, names[2], zero], f"{output}_total")
    total_float = writer.node("Cast", [total], f"{total}_float", to=TensorProto.FLOAT)
    both = writer.node("Mul", [names[1], scale], f"{output}_scale")
    if folded.bias is None or folded.layer.bias is None:
        writer.node("Mul", [total_float, both], output)
        return
    product = writer.node("Mul", [total_float, both], f"{output}_product")
    writer.tensor(folded.layer.bias, folded.bias)
    writer.node("Add", [product, folded.layer.bias], output)


def _write_static(
    writer: GraphWriter,
    filled: FilledGraph,
    layout: Static,
    grids: Mapping[str, ActivationGrid],
    weights: Mapping[str, QuantizedWeight],
) -> None:
    """Write every tensor of `grids` as codes and back, which is what integer kernels fuse with."""
    graph = filled.template.skeleton.graph
    on_grid: dict[str, str] = {}
    if graph.input[0].name in grids:
        on_grid[graph.input[0].name] = _put_on_grid(writer, graph.input[0].name, grids)
    for node in graph.node:
        inputs = [on_grid.get(name, name) for name in node.input]
        folded = filled.layers.get(node.name)
        if folded is not None and node.input[0] not in grids:  # It reads a constant: a position.
            _float_layer(writer, node, folded, Float32())
            continue
        if folded is not None:
            scale = grids[node.input[0]].scale
            quantized = weights.get(node.name) or static_weight(folded, layout.bits, scale)
            inputs[1:] = _static_weights(writer, folded, quantized, scale)
        writer.copy_of(node, inputs)
        for name in node.output:
            if name in grids:
                on_grid[name] = _put_on_grid(writer, name, grids)


def _put_on_grid(writer: GraphWriter, name: str, grids: Mapping[str, ActivationGrid]) -> str:
    grid = grids[name]
    scale = writer.tensor(f"{name}_scale", np.array(grid.scale, np.float32))
    zero = writer.tensor(f"{name}_zero", np.array(grid.zero_point, np.uint8))
    codes = writer.node("QuantizeLinear", [name, scale, zero], f"{name}_codes")
    return writer.node("DequantizeLinear", [codes, scale, zero], f"{name}_on_grid")


def static_weight(folded: FoldedLayer, bits: int, input_scale: float) -> QuantizedWeight:
    """Return a layer's weight rounded to nearest, scales no smaller than its bias can have."""
    bias = folded.bias
    floor = None if bias is None else scale_floor_for_bias(bias, input_scale)
    return quantize_weight(folded.weight, bits, floor)


def _static_weights(
    writer: GraphWriter, folded: FoldedLayer, quantized: QuantizedWeight, input_scale: float
) -> list[str]:
    """Write a layer's weight and bias as codes; return the names of what dequantizes them."""
    layer, bias = folded.layer, folded.bias
    codes = writer.tensor(f"{layer.weight}_codes", _storable(quantized))
    if quantized.bits < 8:
        codes = writer.node("Cast", [codes], f"{codes}_int8", to=TensorProto.INT8)
    scale = writer.tensor(f"{layer.weight}_scale", quantized.scale)
    # onnxruntime leaves a Gemm in floats when zero points are left to their default.
    zero = writer.tensor(f"{layer.weight}_zero", np.zeros(quantized.scale.shape, np.int8))
    names = [writer.node("DequantizeLinear", [codes, scale, zero], layer.weight, axis=0)]
    if layer.bias is not None and bias is not None:
        bias_codes, bias_scale = quantize_bias(bias, input_scale, quantized.scale)
        codes = writer.tensor(f"{layer.bias}_codes", bias_codes)
        scale = writer.tensor(f"{layer.bias}_scale", bias_scale)
        zero = writer.tensor(f"{layer.bias}_zero", np.zeros(bias_scale.shape, np.int32))
        names.append(writer.node("DequantizeLinear", [codes, scale, zero], layer.bias, axis=0))
    return names
