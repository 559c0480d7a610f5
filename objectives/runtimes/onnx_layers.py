"""A point's file beside the fp32 file of the same weights, layer by layer."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from objectives.layer_figures import (
    BeforeAfter,
    LayerFigures,
    LayersOfPoint,
    Loss,
    OperatorFigures,
)
from objectives.metrics import log_probabilities, mean_divergence
from objectives.quantization import ActivationGrid, Form, quantize_weight
from objectives.runtimes.onnx_histograms import histograms
from objectives.runtimes.onnx_layouts import rounded_nodes
from objectives.runtimes.onnx_profile import (
    INTEGER_KERNELS,
    Profile,
    layer_bytes,
    layer_of,
    profiles,
)
from objectives.runtimes.onnx_runtime import OnnxTemplate
from objectives.runtimes.onnx_sensitivity import float_logits, layers_alone
from objectives.runtimes.onnx_template import FilledGraph, GraphTemplate, Layer
from objectives.runtimes.onnx_writer import OnnxArtifactWriter
from spaces import (
    DynamicLinear,
    Layout,
    Scheme,
    Static,
    scheme_named,
)

_PROFILED = 10
"""Images that take turns under the profiler."""
_SCAN_S = 60.0
"""About so long layers are rounded one by one: on fewer images where the network is slow."""
_LEAST_IMAGES = 32
_MOST_PIXELS = 4_000_000
"""Of all images on which layers are rounded: what each gives stays in memory for the next."""


@dataclass(frozen=True)
class Examined:
    """Trained weights, and the images on which they are looked at."""

    template: OnnxTemplate
    writer: OnnxArtifactWriter
    calibration: NDArray[np.float32]
    """[n, 3, h, w], normalised, as the next."""
    images: NDArray[np.float32]
    labels: NDArray[np.int64]

    def layers(self, trial: int, scheme: Scheme, machine: str) -> LayersOfPoint:
        """Return the figures of the weights under `scheme`; machine: this one, in words."""
        graph = self.template.graph
        names, operators = _names(graph.layers), _operators(graph)
        filled = self.writer.graph(scheme.calibration)
        grids: Mapping[str, ActivationGrid] = {}
        if scheme.layout.rounds_activations:
            grids = self.writer.grids(scheme.calibration)
        models = [self.writer.content(scheme_named("fp32")), self.writer.content(scheme)]
        files = [model.SerializeToString(deterministic=True) for model in models]
        found = profiles(files, self.images[:_PROFILED])
        times = [_Times.of(each, graph) for each in found]
        sizes = [layer_bytes(model, graph) for model in models]
        losses, images = self._losses(filled, scheme, grids)
        layers = []
        for layer in graph.layers:
            node, runs_in = layer.node, times[1].runs_in(layer.node)
            why = "" if runs_in == "integers" else _why_floats(layer, scheme.layout, graph)
            layers.append(
                LayerFigures(
                    names[node],
                    operators[node],
                    _pair(each.layers.get(node, 0.0) for each in times),
                    _pair(each[node] for each in sizes),
                    runs_in,
                    why,
                    losses.get(node),
                )
            )
        others = [
            OperatorFigures(
                name,
                _pair(len(each.others.get(name, ())) for each in times),
                _pair(sum(each.others.get(name, ())) for each in times),
            )
            for name in dict.fromkeys([*times[0].others, *times[1].others])
        ]
        weighed = zip(files, sizes, strict=True)
        return LayersOfPoint(
            trial,
            scheme.name,
            tuple(layers),
            tuple(sorted(others, key=lambda each: -each.us.after)),
            _pair(each.us for each in found),
            _pair(each[None] for each in sizes),
            _pair(len(file) - sum(size.values()) for file, size in weighed),
            images,
            histograms(filled, grids, self.calibration, names) if grids else (),
            len(self.calibration),
            machine,
        )

    def _losses(
        self, filled: FilledGraph, scheme: Scheme, grids: Mapping[str, ActivationGrid]
    ) -> tuple[dict[str, Loss], int]:
        """Return what each layer loses alone, by node, and on how many images."""
        forms = self._forms(scheme.layout)
        if not forms:
            return {}, 0
        count = _affordable(filled, self.images)
        images, labels = self.images[:count], self.labels[:count]
        logits = float_logits(filled, images)
        exact, right = log_probabilities(logits), np.mean(logits.argmax(1) == labels)
        fitted = scheme.calibration.observer == "mse"
        losses: dict[str, Loss] = {}
        for layer in layers_alone(filled, images):
            form = forms.get(layer.node)
            if form is None or (grids and layer.read not in grids):
                continue
            rounded = quantize_weight(layer.folded.weight, form, fitted=fitted).floats
            logits = layer.logits(rounded, grids.get(layer.read))
            losses[layer.node] = Loss(
                max(0.0, mean_divergence(exact, log_probabilities(logits))),
                float(right - np.mean(logits.argmax(1) == labels)),
            )
        return losses, count

    def _forms(self, layout: Layout) -> Mapping[str, Form]:
        """Return how a layout rounds the weights of those layers that it rounds, by node."""
        if layout.rounds_weights:
            return self.writer.forms(layout)
        return dict.fromkeys(rounded_nodes(self.template.graph, layout), Form(8))


def _affordable(filled: FilledGraph, images: NDArray[np.float32]) -> int:
    """Return how many of `images` [n, 3, h, w] each layer can be tried on."""
    tried = images[:_LEAST_IMAGES]
    begun = time.perf_counter()
    float_logits(filled, tried)
    image_s = (time.perf_counter() - begun) / len(tried)
    # A layer has half of the network after it, on average.
    in_time = 2 * _SCAN_S / (image_s * len(filled.layers))
    in_memory = _MOST_PIXELS / np.prod(images.shape[2:])
    return min(len(images), max(_LEAST_IMAGES, int(min(in_time, in_memory))))


def _why_floats(layer: Layer, layout: Layout, graph: GraphTemplate) -> str:
    nodes = {node.name: node for node in graph.skeleton.graph.node}
    if nodes[layer.node].input[0] not in _from_image(graph):
        return "it reads what is the same for every image, so it is computed at load"
    if not isinstance(layout, Static | DynamicLinear):
        return "the scheme makes the file smaller and computes in floats"
    if isinstance(layout, DynamicLinear) and nodes[layer.node].op_type == "Conv":
        return "the scheme rounds linear layers alone"
    return "onnxruntime has no integer kernel for it as it stands in the graph"


def _from_image(graph: GraphTemplate) -> set[str]:
    """Return the tensors that depend on the image."""
    found = {graph.skeleton.graph.input[0].name}
    for node in graph.skeleton.graph.node:
        if found.intersection(node.input):
            found.update(node.output)
    return found


def _operators(graph: GraphTemplate) -> dict[str, str]:
    return {node.name: node.op_type for node in graph.skeleton.graph.node}


def _names(layers: Iterable[Layer]) -> dict[str, str]:
    """Return the layers' names by node: those of their weights, each once."""
    found: dict[str, str] = {}
    for layer in layers:
        name = layer.weight.removesuffix(".weight")
        found[layer.node] = f"{name} ({layer.node})" if name in found.values() else name
    return found


def _pair(values: Iterable[float]) -> BeforeAfter:
    return BeforeAfter(*values)


@dataclass(frozen=True)
class _Times:
    """Where the time of a file goes."""

    layers: Mapping[str, float]
    """By node."""
    integers: frozenset[str]
    """Nodes of layers with an integer kernel."""
    others: Mapping[str, list[float]]
    """By operator, of each kernel."""

    @classmethod
    def of(cls, profile: Profile, graph: GraphTemplate) -> Self:
        layers: dict[str, float] = {}
        others: dict[str, list[float]] = {}
        integers = set()
        for kernel in profile.kernels:
            node = layer_of(kernel, graph)
            if node is None:
                others.setdefault(kernel.op, []).append(kernel.us)
                continue
            layers[node] = layers.get(node, 0.0) + kernel.us
            if kernel.op in INTEGER_KERNELS:
                integers.add(node)
        return cls(layers, frozenset(integers), others)

    def runs_in(self, node: str) -> Literal["integers", "floats", "unknown"]:
        if node in self.integers:
            return "integers"
        return "floats" if node in self.layers else "unknown"
