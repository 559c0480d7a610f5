"""Linear layers on tokens, written as the Gemm that every scheme knows."""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from objectives.runtimes.onnx_constants import varying_nodes

_Shape = tuple[int | None, ...]
"""None where the size depends on how many images there are."""


@dataclass(frozen=True)
class _Linear:
    """A product of something that depends on the image and a constant matrix."""

    product: onnx.NodeProto
    bias: onnx.NodeProto | None
    """The node that adds a constant to the product and to nothing else."""
    features: int
    """Of the matrix [features, out]."""
    shape: _Shape
    """Of the product, [..., out]."""

    @property
    def last(self) -> onnx.NodeProto:
        return self.bias or self.product


def write_linear_as_gemm(graph: onnx.GraphProto) -> None:
    """Replace each product of tokens [..., in] and a constant matrix by a Gemm on [rows, in].

    torch's exporter writes a Linear on [rows, in] as a Gemm, and one on more dimensions as a MatMul
    with the transposed weight and an Add of the bias. Where two sizes of the product depend on the
    number of images, the MatMul stays.
    """
    linears = _linears(graph)
    makers = {name: node for node in graph.node for name in node.output}
    by_last = {linear.last.output[0]: linear for linear in linears}
    dropped = {linear.product.output[0] for linear in linears if linear.bias is not None}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.output[0] in by_last:
            nodes += _gemm(graph, by_last[node.output[0]], makers)
        elif node.output[0] not in dropped:
            nodes.append(node)
    copies = onnx.GraphProto(node=nodes)  # the originals go with the graph's list
    del graph.node[:]
    graph.node.extend(copies.node)


def _linears(graph: onnx.GraphProto) -> list[_Linear]:
    shapes = _shapes(graph)
    marked = list(varying_nodes(graph))
    constants = {tensor.name for tensor in graph.initializer}
    constants.update(tensor.name for tensor in graph.input[1:])
    constants.update(name for node, varies in marked if not varies for name in node.output)
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    outputs = {output.name for output in graph.output}
    linears = []
    for node, varies in marked:
        if node.op_type != "MatMul" or not varies or node.input[1] not in constants:
            continue
        matrix, shape = shapes.get(node.input[1], ()), shapes.get(node.output[0], ())
        if len(matrix) != 2 or matrix[0] is None or not shape or shape.count(None) > 1:
            continue
        bias = None
        after = readers.get(node.output[0], [])
        if len(after) == 1 and after[0].op_type == "Add" and node.output[0] not in outputs:
            added = set(after[0].input) - {node.output[0]}
            if all(name in constants and shapes.get(name) == shape[-1:] for name in added):
                bias = after[0] if added else None
        linears.append(_Linear(node, bias, matrix[0], shape))
    return linears


def _gemm(
    graph: onnx.GraphProto, linear: _Linear, makers: dict[str, onnx.NodeProto]
) -> list[onnx.NodeProto]:
    """Return the nodes that compute the same, between two reshapes where there are tokens."""
    tokens, weight = linear.product.input
    output = linear.last.output[0]
    nodes = []
    maker = makers.get(weight)
    if maker is not None and maker.op_type == "Transpose":  # of two dimensions: it swaps them
        weight = maker.input[0]
    else:
        nodes.append(helper.make_node("Transpose", [weight], [f"{output}_weight"]))
        weight = f"{output}_weight"
    inputs = [tokens, weight]
    if linear.bias is not None:
        inputs += [name for name in linear.bias.input if name != linear.product.output[0]]
    if len(linear.shape) == 2:
        return [*nodes, helper.make_node("Gemm", inputs, [output], transB=1)]
    to_rows, to_tokens = f"{output}_to_rows", f"{output}_to_tokens"
    sizes = [-1 if size is None else size for size in linear.shape]
    for name, target in ((to_rows, [-1, linear.features]), (to_tokens, sizes)):
        graph.initializer.append(numpy_helper.from_array(np.array(target, np.int64), name))
    rows, product = f"{output}_rows", f"{output}_product"
    return [
        *nodes,
        helper.make_node("Reshape", [tokens, to_rows], [rows]),
        helper.make_node("Gemm", [rows, *inputs[1:]], [product], transB=1),
        helper.make_node("Reshape", [product, to_tokens], [output]),
    ]


def _shapes(graph: onnx.GraphProto) -> dict[str, _Shape]:
    """Return the shapes of all values that have a known rank."""
    shapes: dict[str, _Shape] = {each.name: tuple(each.dims) for each in graph.initializer}
    for info in (*graph.input, *graph.value_info, *graph.output):
        if info.type.tensor_type.HasField("shape"):
            shapes[info.name] = tuple(
                size.dim_value if size.HasField("dim_value") else None
                for size in info.type.tensor_type.shape.dim
            )
    return shapes
