"""One float ONNX graph an architecture, exported once and filled with any weights.

The template is the exported graph without its weights. Batch norms that only rescale a layer's
output are taken out of it and remembered, so that filling can fold them; so is what computes
constants from weights, so that filling can compute them.
"""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from objectives.quantization import BatchNorm, fold_batch_norm
from objectives.runtimes.onnx_constants import Array, ConstantGraph, value_info
from objectives.sealed_folder import DamagedError

_LAYERS, _CONSTANTS, _SEAL = "layers", "constants", "seal"


@dataclass(frozen=True)
class Norm:
    """Names of a folded batch norm's tensors."""

    scale: str
    shift: str
    mean: str
    variance: str
    epsilon: float


@dataclass(frozen=True)
class Layer:
    """A Conv or Gemm whose weight a scheme may quantize.

    Names are those of the state dict, or of what the template's ConstantGraph makes of it.
    """

    node: str
    """The ONNX node's name."""
    weight: str
    bias: str | None
    """The node's bias input (with a norm: where the folded bias goes)."""
    own_bias: str | None
    """The bias the network itself has; differs from `bias` only where a norm made one."""
    norm: Norm | None


@dataclass(frozen=True)
class FoldedLayer:
    """A layer's weights with its batch norm folded in."""

    layer: Layer
    weight: Array
    """[out, in / groups, h, w] or [out, in]"""
    bias: Array | None
    """[out]"""


@dataclass(frozen=True)
class FilledGraph:
    """A template with one set of weights."""

    template: "GraphTemplate"
    layers: Mapping[str, FoldedLayer]
    """By node name."""
    others: Mapping[str, Array]
    """Every other tensor that comes from the weights."""
    zeros: Mapping[str, int] = field(default_factory=dict)
    """By node name, how many weights of a layer pruning made zero, whatever the others are."""


@dataclass(frozen=True)
class GraphTemplate:
    """A float graph without weights."""

    skeleton: onnx.ModelProto
    """The graph; tensors that come from weights have dimensions and no data."""
    layers: tuple[Layer, ...]
    """In graph order."""
    constants: ConstantGraph
    """Makes the tensors that come from weights and are none."""

    def fill(
        self, state: Mapping[str, Array], zeros: Mapping[str, int] = MappingProxyType({})
    ) -> FilledGraph:
        """Compute the constants of the state dict `state`, and fold its batch norms.

        zeros: by name of the network's layers, how many of a weight pruning made zero.
        """
        state = {**state, **self.constants.constants(state)}
        layers: dict[str, FoldedLayer] = {}
        for layer in self.layers:
            weight, bias = state[layer.weight], None
            if layer.own_bias is not None:
                bias = state[layer.own_bias]
            if layer.norm is not None:
                weight, bias = fold_batch_norm(weight, bias, _batch_norm(layer.norm, state))
            layers[layer.node] = FoldedLayer(layer, weight, bias)
        taken = {name for layer in self.layers for name in (layer.weight, layer.bias)}
        others = {
            tensor.name: state[tensor.name]
            for tensor in self.skeleton.graph.initializer
            if not tensor.raw_data and tensor.name not in taken
        }
        weights = {f"{name}.weight": count for name, count in zeros.items()}
        pruned = {one.node: weights.get(one.weight, 0) for one in self.layers}
        return FilledGraph(self, layers, others, {node: n for node, n in pruned.items() if n})

    def resized(self, state: Mapping[str, Array]) -> "GraphTemplate":
        """Return the same graph for tensors of other shapes: those of the state dict `state`.

        What a graph says of shapes beside its tensors follows where it is a convolution with a
        group an output, or a flattening before a linear layer. Whether the result is the network
        that the tensors belong to remains to be seen. Raises KeyError when a tensor is missing.
        """
        model, constants = onnx.ModelProto(), onnx.ModelProto()
        model.CopyFrom(self.skeleton)
        constants.CopyFrom(self.constants.model)
        for each in constants.graph.input:
            each.CopyFrom(value_info(each.name, state[each.name]))
        template = GraphTemplate(model, self.layers, ConstantGraph(constants))
        filled = template.fill(state)
        shapes = {name: value.shape for name, value in filled.others.items()}
        for folded in filled.layers.values():
            shapes[folded.layer.weight] = folded.weight.shape
            if folded.layer.bias is not None and folded.bias is not None:
                shapes[folded.layer.bias] = folded.bias.shape
        graph = model.graph
        makers = {output: node for node in graph.node for output in node.output}
        tensors = {tensor.name: tensor for tensor in graph.initializer}
        for node in graph.node:
            weight = node.input[1] if len(node.input) > 1 else ""
            if weight in shapes and node.op_type == "Conv":
                _regroup(node, tensors[weight].dims[0], shapes[weight][0])
            if weight in shapes and node.op_type == "Gemm" and node.input[0] in makers:
                _reflatten(makers[node.input[0]], tensors, shapes[weight][1])
        for name, shape in shapes.items():
            tensors[name].dims[:] = shape
        return template

    def weights(self) -> set[str]:
        """Names of the state dict's tensors that the graph is filled with."""
        names = {each.name for each in self.constants.model.graph.input}
        names.update(each.name for each in self.skeleton.graph.initializer)
        for layer in self.layers:
            if layer.norm is not None:
                norm = layer.norm
                names.update((norm.scale, norm.shift, norm.mean, norm.variance))
            if layer.own_bias is not None:
                names.add(layer.own_bias)
        return names

    def save(self, path: Path) -> None:
        """Write the template, sealed, so that no reader ever sees half of it."""
        model = onnx.ModelProto()
        model.CopyFrom(self.skeleton)
        layers = [asdict(layer) for layer in self.layers]
        model.metadata_props.add(key=_LAYERS, value=json.dumps(layers))
        constants = self.constants.model.SerializeToString(deterministic=True)
        model.metadata_props.add(key=_CONSTANTS, value=base64.b64encode(constants).decode())
        model.metadata_props.add(key=_SEAL, value=_digest(model))
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        aside.write_bytes(model.SerializeToString(deterministic=True))
        aside.replace(path)

    @staticmethod
    def load(path: Path) -> "GraphTemplate":
        """Read what `save` wrote; raises DamagedError when the file is not that."""
        try:
            written = path.read_bytes()
            model = onnx.load_model_from_string(written)
        except Exception as error:
            raise DamagedError(f"{path} cannot be read: {error}") from error
        # Other bytes may be read as the same model, and the seal is of what was read.
        if model.SerializeToString(deterministic=True) != written:
            raise DamagedError(f"{path} is not as it was written")
        if not model.metadata_props or model.metadata_props.pop().value != _digest(model):
            raise DamagedError(f"{path} does not have its checksum")
        kept = {each.key: each.value for each in model.metadata_props}
        del model.metadata_props[:]
        layers = tuple(_layer(values) for values in json.loads(kept[_LAYERS]))
        constants = onnx.load_model_from_string(base64.b64decode(kept[_CONSTANTS]))
        return GraphTemplate(model, layers, ConstantGraph(constants))


def _digest(model: onnx.ModelProto) -> str:
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()


def _regroup(node: onnx.NodeProto, before: int, now: int) -> None:
    """Let a convolution with a group for each of `before` outputs have one for each of `now`."""
    for attribute in node.attribute:
        if attribute.name == "group" and attribute.i == before:
            attribute.i = now


def _reflatten(node: onnx.NodeProto, tensors: Mapping[str, onnx.TensorProto], now: int) -> None:
    """Let a node that makes rows [-1, n] of an image's numbers make them of `now`."""
    shape = tensors.get(node.input[1]) if node.op_type == "Reshape" else None
    if shape is not None and shape.raw_data and list(shape.dims) == [2]:
        first, _ = numpy_helper.to_array(shape)
        shape.CopyFrom(numpy_helper.from_array(np.array([first, now], np.int64), shape.name))


def _layer(values: dict[str, Any]) -> Layer:
    norm = values.pop("norm")
    return Layer(**values, norm=None if norm is None else Norm(**norm))


def _batch_norm(norm: Norm, state: Mapping[str, Array]) -> BatchNorm:
    return BatchNorm(
        state[norm.scale],
        state[norm.shift],
        state[norm.mean],
        state[norm.variance],
        norm.epsilon,
    )
