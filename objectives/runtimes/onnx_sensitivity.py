"""What each layer of a float graph loses alone, when it is rounded and the others are not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from onnx import helper

from objectives.metrics import log_probabilities, mean_divergence
from objectives.quantization import ActivationGrid, Form, on_grid, quantize_weight
from objectives.runtimes.onnx_constants import Array
from objectives.runtimes.onnx_layouts import write_model
from objectives.runtimes.onnx_session import open_session
from objectives.runtimes.onnx_template import FilledGraph, FoldedLayer
from spaces import Float32

_BATCH = 32
_WEIGHT, _READ = "the_layers_weight", "what_the_layer_reads"
"""Inputs of the graph from a layer on."""


def sensitivities(
    filled: FilledGraph, widths: Sequence[int], images: Array, *, threads: int = 1
) -> dict[str, dict[int, float]]:
    """Return what each layer loses in so many bits: mean KL(float || rounded) in nats an image.

    By node, then by bits. One layer alone is rounded to nearest, with a scale an output channel.
    images: [n, 3, h, w], normalised.
    """
    exact = log_probabilities(float_logits(filled, images, threads=threads))
    found: dict[str, dict[int, float]] = {}
    for layer in layers_alone(filled, images, threads=threads):
        found[layer.node] = {}
        for bits in widths:
            rounded = quantize_weight(layer.folded.weight, Form(bits)).floats
            lost = mean_divergence(exact, log_probabilities(layer.logits(rounded)))
            found[layer.node][bits] = max(0.0, lost)  # Below only by rounding, where it is none.
    return found


def float_logits(filled: FilledGraph, images: Array, *, threads: int = 1) -> Array:
    """Return [n, classes] of the float graph."""
    model = write_model(filled, Float32(), {})
    runs = _Part(model, list(model.graph.node), [model.graph.output[0].name], threads)
    return np.concatenate(
        [runs({model.graph.input[0].name: batch})[0] for batch in _batches(images)]
    )


@dataclass(frozen=True)
class LayerAlone:
    """A layer that can be given another weight while all others keep theirs."""

    node: str
    folded: FoldedLayer
    read: str
    """The tensor that it reads."""
    _rest: "_Part"
    """The graph from the layer on."""
    _reached: Sequence[Mapping[str, Array]]
    """Of each batch of images, the tensors that `_rest` reads."""

    def logits(self, weight: Array, grid: ActivationGrid | None = None) -> Array:
        """Return [n, classes] with this `weight`, and with what the layer reads on `grid`."""
        found = []
        for reached in self._reached:
            read = reached[self.read]
            if grid is not None:
                read = on_grid(torch.from_numpy(read), grid).numpy()
            found.append(self._rest({**reached, _WEIGHT: weight, _READ: read})[0])
        return np.concatenate(found)


def layers_alone(filled: FilledGraph, images: Array, *, threads: int = 1) -> Iterator[LayerAlone]:
    """Yield the layers in graph order; each runs no more of the graph than comes after it.

    A layer must be used before the next one is asked for.
    """
    model = write_model(filled, Float32(), {})
    nodes, logits = list(model.graph.node), model.graph.output[0].name
    constants = {tensor.name for tensor in model.graph.initializer}
    reached: list[dict[str, Array]] = [
        {model.graph.input[0].name: batch} for batch in _batches(images)
    ]
    done = 0
    for at, node in enumerate(nodes):
        if node.name not in filled.layers:
            continue
        rest = nodes[at:]
        read = {name for later in rest for name in later.input} - constants
        made = {name for earlier in nodes[done:at] for name in earlier.output}
        if between := sorted(made & read):
            part = _Part(model, nodes[done:at], between, threads)
            for tensors in reached:
                tensors.update(zip(between, part(tensors), strict=True))
        done = at
        for tensors in reached:
            for name in tensors.keys() - read - {node.input[0]}:
                del tensors[name]
        first = onnx.NodeProto()
        first.CopyFrom(node)
        first.input[0], first.input[1] = _READ, _WEIGHT
        yield LayerAlone(
            node.name,
            filled.layers[node.name],
            node.input[0],
            _Part(model, [first, *rest[1:]], [logits], threads),
            reached,
        )


class _Part:
    """Some nodes of a graph, in a session of their own."""

    def __init__(
        self, model: onnx.ModelProto, nodes: list[onnx.NodeProto], gives: list[str], threads: int
    ) -> None:
        made = {name for node in nodes for name in node.output}
        read = list(dict.fromkeys(name for node in nodes for name in node.input if name))
        constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._reads = [name for name in read if name not in made and name not in constants]
        self._gives = gives
        graph = helper.make_graph(
            nodes,
            "part",
            [_untyped(name) for name in self._reads],
            [onnx.ValueInfoProto(name=name) for name in gives],
            [constants[name] for name in read if name in constants],
        )
        content = helper.make_model(
            graph, ir_version=model.ir_version, opset_imports=list(model.opset_import)
        )
        self._session = open_session(content.SerializeToString(), threads)

    def __call__(self, tensors: Mapping[str, Array]) -> list[Array]:
        """Return the tensors that it gives."""
        found: list[Array] = self._session.run(
            self._gives, {name: tensors[name] for name in self._reads}
        )
        return found


def _untyped(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)


def _batches(images: Array) -> list[Array]:
    return [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
