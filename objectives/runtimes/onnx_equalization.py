"""Cross-layer equalization of a filled graph (Nagel et al. 2019, section 4.1)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import helper, numpy_helper

from objectives.quantization import equal_ranges
from objectives.runtimes.onnx_calibration import largest_by_channel
from objectives.runtimes.onnx_constants import Array
from objectives.runtimes.onnx_layouts import write_model
from objectives.runtimes.onnx_template import FilledGraph, FoldedLayer
from spaces import Float32

_TURNS = 20
"""Over all pairs, at most: a layer may be in two."""
_EQUAL = 1e-3
"""Channels that would change by less are equal."""


@dataclass(frozen=True)
class _Pair:
    """Two layers; what the first gives is read by the second alone."""

    first: str
    """A node's name, as the next."""
    second: str
    groups: int
    """Of the second."""
    ends: tuple[str, float] | None
    """A tensor that is cut off above, and where; None where nothing is."""


def equalized(filled: FilledGraph, images: Array) -> FilledGraph:
    """Return the graph with equal ranges of weights on both sides of each tensor between layers.

    It computes the same: a channel is divided by a positive number before a ReLU, if any, and
    multiplied by it after. A ReLU6 is the same as far as `images` [n, 3, h, w] reach: a channel
    that they never cut off is scaled so that it still is not, and one that they do cut off stays.
    """
    pairs = list(_pairs(filled))
    if not pairs:
        return filled
    cut = [pair.ends[0] for pair in pairs if pair.ends is not None]
    layers, largest = dict(filled.layers), dict[str, Array]()
    if cut:
        largest = dict(largest_by_channel(write_model(filled, Float32(), {}), cut, images))
    for _ in range(_TURNS):
        moved = 0.0
        for pair in pairs:
            first, second = layers[pair.first], layers[pair.second]
            least: Array = np.zeros(len(first.weight), np.float32)
            if pair.ends is not None:
                seen, end = largest[pair.ends[0]], pair.ends[1]
                least = (np.maximum(seen, 0) / end).astype(np.float32)
            scale = equal_ranges(first.weight, second.weight, pair.groups, least)
            if pair.ends is not None:
                scale[seen >= end * (1 - 1e-6)] = 1
                largest[pair.ends[0]] = seen / scale
            layers[pair.first] = _divided(first, scale)
            layers[pair.second] = _multiplied(second, scale, pair.groups)
            moved = max(moved, float(np.abs(np.log(scale)).max()))
        if moved < _EQUAL:
            break
    return replace(filled, layers=layers)


def _divided(layer: FoldedLayer, scale: Array) -> FoldedLayer:
    weight = layer.weight / scale.reshape(-1, *[1] * (layer.weight.ndim - 1))
    return replace(layer, weight=weight, bias=None if layer.bias is None else layer.bias / scale)


def _multiplied(layer: FoldedLayer, scale: Array, groups: int) -> FoldedLayer:
    shape = layer.weight.shape
    by_group = layer.weight.reshape(groups, shape[0] // groups, shape[1], -1)
    weight = by_group * scale.reshape(groups, 1, shape[1], 1)
    return replace(layer, weight=weight.reshape(shape))


def _pairs(filled: FilledGraph) -> Iterator[_Pair]:
    graph = filled.template.skeleton.graph
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    numbers = {
        one.name: numpy_helper.to_array(one) for one in graph.initializer if one.raw_data
    } | dict(filled.others)

    def only_reader(name: str) -> onnx.NodeProto | None:
        found = readers.get(name, [])
        return found[0] if len(found) == 1 and name != graph.output[0].name else None

    for node in graph.node:
        if node.name not in filled.layers:
            continue
        after, ends = only_reader(node.output[0]), None
        if after is not None and after.op_type in ("Relu", "Clip"):
            if after.op_type == "Clip":
                ends = _cut_off(after, numbers)
                if ends is None:
                    continue
            after = only_reader(after.output[0])
        if after is None or after.name not in filled.layers:
            continue
        groups = {one.name: helper.get_attribute_value(one) for one in after.attribute}
        read = filled.layers[after.name].weight.shape[1] * groups.get("group", 1)
        if read == len(filled.layers[node.name].weight):
            yield _Pair(node.name, after.name, groups.get("group", 1), ends)


def _cut_off(clip: onnx.NodeProto, numbers: Mapping[str, Array]) -> tuple[str, float] | None:
    """Return what a ReLU6 gives and where it ends; None for another clipping."""
    ends = [numbers.get(name) for name in clip.input[1:]]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        return None
    low, high = (float(end) for end in ends if end is not None)
    return (clip.output[0], high) if low == 0 < high else None
