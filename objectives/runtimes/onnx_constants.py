"""The part of a graph that does not depend on the image: computed at each fill, not in the file.

Networks make weights of others before they use them: weight norm divides by a length, a
standardised convolution subtracts its mean, attention slices one tensor in three. The exporter
writes that as nodes between the network's tensors and the node that reads the finished constant.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, helper, numpy_helper

from objectives.runtimes.onnx_session import open_session

Array = NDArray[np.float32]
"""A tensor of a network; a few hold integers."""

_RANDOM = frozenset({"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"})
_SUBGRAPHS = frozenset({AttributeProto.GRAPH, AttributeProto.GRAPHS})


@dataclass(frozen=True)
class ConstantGraph:
    """Computes constants of a graph from tensors of the network."""

    model: onnx.ModelProto
    """Inputs are named as in the state dict, outputs as the constants in the graph."""

    def constants(self, state: Mapping[str, Array]) -> dict[str, Array]:
        """Return the constants by name for the state dict `state`."""
        names = [output.name for output in self.model.graph.output]
        if not names:
            return {}
        session = open_session(self.model.SerializeToString(), threads=1)
        feeds = {each.name: state[each.name] for each in self.model.graph.input}
        return dict(zip(names, session.run(names, feeds), strict=True))


def varying_nodes(graph: onnx.GraphProto) -> Iterator[tuple[onnx.NodeProto, bool]]:
    """Yield each node, and whether it depends on the graph's first input, the image.

    A node that draws random numbers or branches counts as if it did.
    """
    varying = {graph.input[0].name}
    for node in graph.node:
        varies = (
            not varying.isdisjoint(node.input)
            or node.op_type in _RANDOM
            or any(attribute.type in _SUBGRAPHS for attribute in node.attribute)
        )
        if varies:
            varying.update(node.output)
        yield node, varies


def take_out_constants(model: onnx.ModelProto, state: Mapping[str, Array]) -> ConstantGraph:
    """Take out of `model` what does not depend on the image, and return it.

    The constants become inputs of the graph, as the network's tensors are. One that is larger than
    what it is made of stays computed in the graph, so that the file does not grow: onnxruntime
    computes it once, when it loads the file.
    """
    graph = model.graph
    marked = list(varying_nodes(graph))
    fixed = [node for node, varies in marked if not varies]
    makers = {output: node for node in fixed for output in node.output}
    read = [name for node, varies in marked if varies for name in node.input]
    read += [output.name for output in graph.output]
    wanted = [name for name in dict.fromkeys(read) if name in makers]
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    every = _constant_graph(model, fixed, tensors, state, {name: name for name in wanted})
    values = every.constants(state)
    stay: set[str] = set()
    names: dict[str, str] = {}
    for name in wanted:
        chain = _chain(name, makers)
        sources = {each for node in chain for each in node.input if each and each not in makers}
        made_of = sorted(sources & state.keys())
        before = sum(state[each].nbytes for each in made_of)
        before += sum(
            numpy_helper.to_array(tensors[each]).nbytes for each in sources & tensors.keys()
        )
        if not made_of or values[name].nbytes > before:
            stay.update(output for node in chain for output in node.output)
        else:
            largest = max(made_of, key=lambda each: state[each].size)
            names[name] = f"{largest}_{len(names)}"
    left = [node for node, varies in marked if varies or not stay.isdisjoint(node.output)]
    del graph.node[:]
    for node in left:
        graph.node.append(node)
        graph.node[-1].input[:] = [names.get(name, name) for name in node.input]
    graph.input.extend(value_info(new, values[old]) for old, new in names.items())
    return _constant_graph(model, fixed, tensors, state, names)


def _chain(name: str, makers: Mapping[str, onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Return the nodes that compute `name`, each once."""
    found: dict[str, onnx.NodeProto] = {}
    left = [name]
    while left:
        node = makers.get(left.pop())
        if node is not None and node.output[0] not in found:
            found[node.output[0]] = node
            left.extend(node.input)
    return list(found.values())


def _constant_graph(
    model: onnx.ModelProto,
    nodes: Iterable[onnx.NodeProto],
    tensors: Mapping[str, onnx.TensorProto],
    state: Mapping[str, Array],
    names: Mapping[str, str],
) -> ConstantGraph:
    """Return what computes the values `names`, each under its new name."""
    nodes = list(nodes)
    makers = {output: node for node in nodes for output in node.output}
    needed = {node.output[0] for name in names for node in _chain(name, makers)}
    made = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    made.graph.name = "constants"
    for node in nodes:
        if node.output[0] in needed:
            made.graph.node.append(node)
            for kept in (made.graph.node[-1], *made.graph.node[-1].attribute):
                kept.doc_string = ""
            del made.graph.node[-1].metadata_props[:]
    read = dict.fromkeys(name for node in made.graph.node for name in node.input)
    made.graph.initializer.extend(tensors[name] for name in read if name in tensors)
    made.graph.input.extend(value_info(name, state[name]) for name in read if name in state)
    for old, new in names.items():
        if old != new:
            made.graph.node.append(helper.make_node("Identity", [old], [new], name=new))
        made.graph.output.append(onnx.ValueInfoProto(name=new))
    return ConstantGraph(made)


def value_info(name: str, value: Array) -> onnx.ValueInfoProto:
    """Return what a graph says of an input of the type and shape of `value`."""
    kind = helper.np_dtype_to_tensor_dtype(value.dtype)
    return helper.make_tensor_value_info(name, kind, value.shape)
