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
    BLOCK,
    STEPS,
    ActivationGrid,
    Form,
    QuantizedWeight,
    quantize_bias,
    quantize_weight,
)
from objectives.runtimes.onnx_calibration import tensors_on_grids
from objectives.runtimes.onnx_constants import Array
from objectives.runtimes.onnx_functions import bit_planes, from_bit_planes, from_blocks
from objectives.runtimes.onnx_graph import GraphWriter
from objectives.runtimes.onnx_template import FilledGraph, FoldedLayer, GraphTemplate
from spaces import (
    BFloat16,
    BitsByLayer,
    DistilfrontError,
    DynamicLinear,
    Float16,
    Float32,
    Layout,
    Static,
    WeightOnly,
)

_WRITTEN = (Float32, Float16, BFloat16, WeightOnly, BitsByLayer, Static, DynamicLinear)
"""These alone: one that is derived from them is another layout."""
_STORED: Mapping[int, Any] = {8: np.int8, 4: ml_dtypes.int4}
"""By bits of a code, the integers that ONNX packs in as many bits."""


def rounded_nodes(template: GraphTemplate, layout: Layout) -> tuple[str, ...]:
    """Return the nodes of the layers whose weights a layout makes integers of, in graph order."""
    graph = template.skeleton.graph
    nodes = {node.name: node for node in graph.node}
    names = [layer.node for layer in template.layers]
    match layout:
        case WeightOnly() | BitsByLayer():
            return tuple(names)
        case Static():
            grids = tensors_on_grids(graph)
            return tuple(name for name in names if nodes[name].input[0] in grids)
        case DynamicLinear():
            return tuple(name for name in names if nodes[name].op_type == "Gemm")
        case Float32() | Float16() | BFloat16():
            return ()
        case _:
            raise DistilfrontError(f"nothing is known of the layers of the layout {layout.key}")


def write_model(
    filled: FilledGraph,
    layout: Layout,
    grids: Mapping[str, ActivationGrid],
    weights: Mapping[str, QuantizedWeight] = MappingProxyType({}),
) -> onnx.ModelProto:
    """Return the file's content; `grids`, by tensor name, are what Static needs and nobody else.

    weights: by node, those of layouts that round them.
    Raises DistilfrontError for a layout that has no form here: none is written as another.
    """
    if type(layout) not in _WRITTEN:
        raise DistilfrontError(f"onnxruntime has no way to write the layout {layout.key}")
    if layout.rounds_weights and filled.layers and not weights:
        raise DistilfrontError(
            f"the layout {layout.key} needs codes of weights, and there are none"
        )
    writer = GraphWriter(filled.template.skeleton)
    for name, values in filled.others.items():
        _float_tensor(writer, name, values, layout)
    if isinstance(layout, Static):
        _write_static(writer, filled, grids, weights)
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
    if quantized is not None:
        floats = _codes_as_floats(writer, f"{layer.weight}_codes", quantized)
        _scaled(writer, layer.weight, floats, quantized)
    else:
        _float_tensor(writer, layer.weight, folded.weight, layout)
    if layer.bias is not None and folded.bias is not None:
        _float_tensor(writer, layer.bias, folded.bias, layout)
    writer.copy_of(node)


def _scaled(writer: GraphWriter, name: str, floats: str, quantized: QuantizedWeight) -> None:
    """Write a weight's scales, and the weight `name` that codes as `floats` stand for."""
    scale, codes = quantized.scale, quantized.codes
    by_channel = (-1, *[1] * (codes.ndim - 1))
    if scale.shape[1] == 1:
        whole = quantized.form.granularity == "tensor"
        one = writer.tensor(f"{name}_scale", scale.max() if whole else scale.reshape(by_channel))
        writer.node("Mul", [floats, one], name)
        return
    largest = scale.max(1, keepdims=True)
    parts = np.rint(scale / largest * STEPS).astype(np.uint8)[:, :, None]
    one = writer.tensor(f"{name}_scale", (largest / np.float32(STEPS)).reshape(by_channel))
    writer.call(from_blocks(BLOCK), [floats, writer.tensor(f"{name}_parts", parts), one], name)


def _float_tensor(writer: GraphWriter, name: str, values: Array, layout: Layout) -> None:
    stored = _shorter(values, layout) if values.dtype == np.float32 else None
    if stored is not None:
        half = writer.tensor(f"{name}_half", stored)
        writer.node("Cast", [half], name, to=TensorProto.FLOAT)
    else:
        writer.tensor(name, values)


def _shorter(
    values: Array, layout: Layout
) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]] | None:
    """Return `values` in 16 bits, if the layout has them so; what is beyond becomes the largest."""
    match layout:
        case Float16():
            limit = float(np.finfo(np.float16).max)
            return values.clip(-limit, limit).astype(np.float16)
        case BFloat16():
            limit = float(ml_dtypes.finfo(ml_dtypes.bfloat16).max)
            return values.clip(-limit, limit).astype(ml_dtypes.bfloat16)
        case _:
            return None


def _codes_as_floats(writer: GraphWriter, name: str, quantized: QuantizedWeight) -> str:
    """Write codes in as many bits as they need; return the name of what they are as floats."""
    codes, bits, floats = quantized.codes, quantized.form.bits, f"{name}_float"
    if bits in _STORED:
        writer.tensor(name, _storable(quantized))
        return writer.node("Cast", [name], floats, to=TensorProto.FLOAT)
    writer.tensor(name, bit_planes(codes, bits))
    shape = writer.tensor(f"{name}_shape", np.array(codes.shape, np.int64))
    return writer.call(from_bit_planes(bits), [name, shape], floats)


def _storable(quantized: QuantizedWeight) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    """Return codes in the type whose ONNX encoding takes as many bits as they need."""
    return quantized.codes.astype(_STORED[quantized.form.bits])


def _dynamic_linear(writer: GraphWriter, node: onnx.NodeProto, folded: FoldedLayer) -> None:
    """Replace a Gemm by nodes as quantize_dynamic writes them and onnxruntime's kernels fuse."""
    weight, output = folded.layer.weight, node.output[0]
    quantized = quantize_weight(folded.weight, Form(8))
    codes = writer.tensor(f"{weight}_codes", quantized.codes.T)
    scale = writer.tensor(f"{weight}_scale", quantized.scale[:, 0])
    zero = writer.tensor(f"{weight}_zero", np.zeros(len(quantized.scale), np.int8))
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
            inputs[1:] = _static_weights(writer, node, folded, weights[node.name], scale)
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


def _static_weights(
    writer: GraphWriter,
    node: onnx.NodeProto,
    folded: FoldedLayer,
    quantized: QuantizedWeight,
    input_scale: float,
) -> list[str]:
    """Write a layer's weight and bias as codes; return the names of what dequantizes them."""
    layer, bias = folded.layer, folded.bias
    codes = writer.tensor(f"{layer.weight}_codes", _storable(quantized))
    if quantized.form.bits < 8:
        codes = writer.node("Cast", [codes], f"{codes}_int8", to=TensorProto.INT8)
    own = quantized.scale[:, 0]
    if quantized.form.granularity == "tensor":
        own = own.max()
    # onnxruntime leaves a Gemm in floats when zero points are left to their default.
    told = node.op_type == "Gemm"
    names = [_dequantized(writer, layer.weight, codes, own, np.int8 if told else None)]
    if layer.bias is not None and bias is not None:
        # Left in floats it is smaller, and onnxruntime before 1.24 runs the layer in floats.
        bias_codes, bias_scale = quantize_bias(bias, input_scale, own)
        codes = writer.tensor(f"{layer.bias}_codes", bias_codes)
        kind = np.int32 if told else None
        names.append(_dequantized(writer, layer.bias, codes, bias_scale, kind))
    return names


def _dequantized(writer: GraphWriter, name: str, codes: str, scale: Array, zeros: Any) -> str:
    """Write the scale of codes; zeros: the type of their zero points, None where none are told."""
    inputs = [codes, writer.tensor(f"{name}_scale", scale)]
    if zeros is not None:
        inputs.append(writer.tensor(f"{name}_zero", np.zeros(np.shape(scale), zeros)))
    axis = {"axis": 0} if np.ndim(scale) else {}
    return writer.node("DequantizeLinear", inputs, name, **axis)
