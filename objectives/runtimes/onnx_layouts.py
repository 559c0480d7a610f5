"""Each layout, as ONNX nodes that onnxruntime folds at load or fuses into kernels."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from objectives.quantization import (
    ActivationGrid,
    Form,
    QuantizedWeight,
    quantize_bias,
    quantize_weight,
)
from objectives.runtimes.onnx_calibration import tensors_on_grids
from objectives.runtimes.onnx_constants import Array
from objectives.runtimes.onnx_graph import GraphWriter
from objectives.runtimes.onnx_numbers import codes_as_floats, codes_as_int8, float_tensor, scaled
from objectives.runtimes.onnx_sparse import Stored, Values, worth_packing, write_packed
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
        float_tensor(writer, name, values, layout)
    packed = _packed(writer, filled, layout, grids, weights)
    if isinstance(layout, Static):
        _write_static(writer, filled, grids, weights, packed)
    else:
        _write_float(writer, filled, layout, weights, packed)
    return writer.model({"layout": layout.key})


def _packed(
    writer: GraphWriter,
    filled: FilledGraph,
    layout: Layout,
    grids: Mapping[str, ActivationGrid],
    weights: Mapping[str, QuantizedWeight],
) -> frozenset[str]:
    """Write the weights that a sparse layout stores without zeros; return their nodes.

    They become the tensors that `_float_layer` or `_static_weights` read.
    """
    if not layout.is_sparse:
        return frozenset()
    nodes, static = filled.template.skeleton.graph.node, isinstance(layout, Static)
    here = [node.name for node in nodes if not static or node.input[0] in grids]
    fit = [name for name in here if name in (weights if layout.rounds_weights else filled.zeros)]
    sizes = {name: (filled.layers[name].weight.size, filled.zeros.get(name, 0)) for name in fit}
    packed = worth_packing(sizes, layout.weight_bits)
    if packed:
        stored = [
            _stored(filled.layers[name], weights.get(name), filled.zeros[name], static=static)
            for name in fit
            if name in packed
        ]
        write_packed(writer, stored, partial(_row, writer, layout), as_int8=static)
    return packed


def _stored(
    folded: FoldedLayer, quantized: QuantizedWeight | None, zeros: int, *, static: bool
) -> Stored:
    name = folded.layer.weight
    if quantized is None:
        return Stored(name, folded.weight, zeros)
    return Stored(_int8_codes(name) if static else _float_codes(name), quantized.codes, zeros)


def _row(writer: GraphWriter, layout: Layout, values: Values) -> str:
    """Write values that are stored; return the tensor of them as floats."""
    if layout.rounds_weights:
        return codes_as_floats(writer, "sparse_values", values, layout.weight_bits)
    float_tensor(writer, "sparse_values", values.astype(np.float32), layout)
    return "sparse_values"


def _write_float(
    writer: GraphWriter,
    filled: FilledGraph,
    layout: Layout,
    weights: Mapping[str, QuantizedWeight],
    packed: frozenset[str],
) -> None:
    """Write the graph with float arithmetic, whatever the weights are stored in.

    packed: nodes whose weights, or codes as floats, are there already.
    """
    for node in filled.template.skeleton.graph.node:
        folded = filled.layers.get(node.name)
        if folded is None:
            writer.copy_of(node)
        elif isinstance(layout, DynamicLinear) and node.op_type == "Gemm":
            _dynamic_linear(writer, node, folded)
        else:
            quantized, there = weights.get(node.name), node.name in packed
            _float_layer(writer, node, folded, layout, quantized, there=there)


def _float_layer(
    writer: GraphWriter,
    node: onnx.NodeProto,
    folded: FoldedLayer,
    layout: Layout,
    quantized: QuantizedWeight | None = None,
    *,
    there: bool = False,
) -> None:
    """Write a layer; there: what `_packed` writes of its weight is."""
    layer = folded.layer
    if quantized is not None:
        floats = _float_codes(layer.weight)
        if not there:
            name, codes = f"{layer.weight}_codes", quantized.codes
            floats = codes_as_floats(writer, name, codes, quantized.form.bits)
        scaled(writer, layer.weight, floats, quantized)
    elif not there:
        float_tensor(writer, layer.weight, folded.weight, layout)
    if layer.bias is not None and folded.bias is not None:
        float_tensor(writer, layer.bias, folded.bias, layout)
    writer.copy_of(node)


def _float_codes(weight: str) -> str:
    return f"{weight}_codes_float"


def _int8_codes(weight: str) -> str:
    return f"{weight}_codes_int8"


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
    packed: frozenset[str],
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
            scale, there = grids[node.input[0]].scale, node.name in packed
            quantized = weights[node.name]
            inputs[1:] = _static_weights(writer, node, folded, quantized, scale, there=there)
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
    *,
    there: bool,
) -> list[str]:
    """Write a layer's weight and bias as codes; return the names of what dequantizes them.

    there: what `_packed` writes of its weight is.
    """
    layer, bias = folded.layer, folded.bias
    codes = _int8_codes(layer.weight)
    if not there:
        name, bits = f"{layer.weight}_codes", quantized.form.bits
        codes = codes_as_int8(writer, name, quantized.codes, bits)
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
