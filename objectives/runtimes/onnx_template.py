"""One float ONNX graph an architecture, exported once and filled with any weights.

The template is the exported graph without its weights. Batch norms that only rescale a layer's
output are taken out of it and remembered, so that filling can fold them; so is what computes
constants from weights, so that filling can compute them.
"""

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx

from objectives.quantization import BatchNorm, fold_batch_norm
from objectives.runtimes.onnx_constants import Array, ConstantGraph

_LAYERS, _CONSTANTS = "layers", "constants"


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


@dataclass(frozen=True)
class GraphTemplate:
    """A float graph without weights."""

    skeleton: onnx.ModelProto
    """The graph; tensors that come from weights have dimensions and no data."""
    layers: tuple[Layer, ...]
    """In graph order."""
    constants: ConstantGraph
    """Makes the tensors that come from weights and are none."""

    def fill(self, state: Mapping[str, Array]) -> FilledGraph:
        """Compute the constants of the state dict `state`, and fold its batch norms."""
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
        return FilledGraph(self, layers, others)

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
        """Write the template so that no reader ever sees half of it."""
        model = onnx.ModelProto()
        model.CopyFrom(self.skeleton)
        layers = [asdict(layer) for layer in self.layers]
        model.metadata_props.add(key=_LAYERS, value=json.dumps(layers))
        constants = self.constants.model.SerializeToString(deterministic=True)
        model.metadata_props.add(key=_CONSTANTS, value=base64.b64encode(constants).decode())
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        aside.write_bytes(model.SerializeToString(deterministic=True))
        aside.replace(path)

    @staticmethod
    def load(path: Path) -> "GraphTemplate":
        """Read what `save` wrote."""
        model = onnx.load_model(path)
        kept = {each.key: each.value for each in model.metadata_props}
        del model.metadata_props[:]
        layers = tuple(_layer(values) for values in json.loads(kept[_LAYERS]))
        constants = onnx.load_model_from_string(base64.b64decode(kept[_CONSTANTS]))
        return GraphTemplate(model, layers, ConstantGraph(constants))


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
