"""A filled graph run node by node, as it is and rounded, so that each layer is rounded to fit."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor
from torch.nn import functional

from objectives.quantization import (
    ActivationGrid,
    Form,
    Moments,
    QuantizedWeight,
    chosen_weight,
    moments_seen,
    on_grid,
    patches,
    quantize_weight,
    scale_floor_for_bias,
)
from objectives.runtimes.onnx_constants import Array, varying_nodes
from objectives.runtimes.onnx_session import open_session
from objectives.runtimes.onnx_template import FilledGraph, FoldedLayer
from objectives.runtimes.runtime import LayerMemory
from spaces import Calibration

_BATCH = 32


@dataclass(frozen=True)
class Rounded:
    """A graph whose layers are rounded one after another."""

    filled: FilledGraph
    """With corrected biases, where they are."""
    weights: Mapping[str, QuantizedWeight]
    """Of all layers that read what depends on the image, by node."""


def rounded_layers(
    filled: FilledGraph,
    forms: Mapping[str, Form],
    grids: Mapping[str, ActivationGrid],
    images: Array,
    calibration: Calibration,
    memory: LayerMemory | None = None,
) -> Rounded:
    """Round the weights of all layers, each after those before it.

    forms: what codes each layer has, by node. grids: those of the activations, where they are
    rounded too. images: [n, 3, h, w]. memory: has the layers that are rounded already, and gets
    the others.
    """
    known = _known(filled, forms, memory)
    skeleton = filled.template.skeleton
    every = {node.name for node, varies in varying_nodes(skeleton.graph) if varies}
    if known.weights.keys() >= every & filled.layers.keys():
        return known
    constants = _constants(filled)
    left = Counter(name for node in skeleton.graph.node for name in node.input)
    exact: dict[str, Array] = {skeleton.graph.input[0].name: images}
    rounded = {name: _on_grid(value, grids.get(name)) for name, value in exact.items()}
    layers, weights = dict(known.filled.layers), dict(known.weights)
    for node in skeleton.graph.node:
        folded, read, own = filled.layers.get(node.name), node.input[0], dict[str, Array]()
        if folded is not None and read in exact:
            if node.name not in weights:
                moments = _moments(node, folded, exact[read], rounded[read])
                least = _floor(folded, grids.get(read))
                sparse = node.name in filled.zeros
                form = forms[node.name]
                made = _rounded(folded, form, least, moments, calibration, keeps_zeros=sparse)
                layers[node.name], weights[node.name] = made
                if memory is not None and not memory.complete:
                    memory.keep(node.name, _arrays(*made))
            own[folded.layer.weight] = weights[node.name].floats
            bias = layers[node.name].bias
            if folded.layer.bias is not None and bias is not None:
                own[folded.layer.bias] = bias
        session = _session_of(node, skeleton, constants | exact)
        exact |= _run(session, constants | exact)
        given = _run(session, constants | rounded | own)
        rounded |= {name: _on_grid(value, grids.get(name)) for name, value in given.items()}
        for name in node.input:
            left[name] -= 1
            if not left[name]:
                exact.pop(name, None)
                rounded.pop(name, None)
    return Rounded(replace(filled, layers=layers), weights)


def _arrays(layer: FoldedLayer, weight: QuantizedWeight) -> dict[str, NDArray[np.generic]]:
    """Return what a rounded layer is made of, for a memory."""
    bias = {} if layer.bias is None else {"bias": layer.bias}
    return {"codes": weight.codes, "scale": weight.scale, **bias}


def keep_layers(made: Rounded, memory: LayerMemory) -> None:
    """Keep what was made without this memory in it; one that is complete stays as it is."""
    for name in made.weights if not memory.complete else ():
        memory.keep(name, _arrays(made.filled.layers[name], made.weights[name]))


def _known(filled: FilledGraph, forms: Mapping[str, Form], memory: LayerMemory | None) -> Rounded:
    """Return what a memory has: the inverse of `_arrays`."""
    layers, weights = dict(filled.layers), dict[str, QuantizedWeight]()
    recalled = {} if memory is None else memory.recall()
    # Layers of another name are of another graph: then nothing is known.
    for name, arrays in recalled.items() if recalled.keys() <= forms.keys() else ():
        found: Mapping[str, Any] = arrays
        weights[name] = QuantizedWeight(found["codes"], found["scale"], forms[name])
        layers[name] = replace(layers[name], bias=found.get("bias"))
    return Rounded(replace(filled, layers=layers), weights)


def nearest_weights(
    filled: FilledGraph,
    forms: Mapping[str, Form],
    grids: Mapping[str, ActivationGrid],
    *,
    fitted: bool,
) -> dict[str, QuantizedWeight]:
    """Return the weights of all layers, by node, rounded to nearest; see quantize_weight."""
    reads = {node.name: node.input[0] for node in filled.template.skeleton.graph.node}
    return {
        name: quantize_weight(
            folded.weight, forms[name], _floor(folded, grids.get(reads[name])), fitted=fitted
        )
        for name, folded in filled.layers.items()
    }


def _floor(folded: FoldedLayer, read: ActivationGrid | None) -> Array | None:
    """Return the least scales [out] of a layer's weights, where there are any."""
    if read is None or folded.bias is None:
        return None
    return scale_floor_for_bias(folded.bias, read.scale)


def _rounded(
    folded: FoldedLayer,
    form: Form,
    least: Array | None,
    moments: Moments,
    calibration: Calibration,
    *,
    keeps_zeros: bool,
) -> tuple[FoldedLayer, QuantizedWeight]:
    """Return a layer, its bias corrected if it is to be, and its weight; least: of its scales.

    keeps_zeros: what is zero of its weight stays so, whatever rounds it.
    """
    corrects = calibration.bias_corrected and folded.bias is not None
    if calibration.rounding == "nearest":
        fitted = calibration.observer == "mse"
        quantized = quantize_weight(folded.weight, form, least, fitted=fitted)
    else:
        sums = moments.centred() if corrects else moments
        by = calibration.rounding
        quantized = chosen_weight(folded.weight, form, least, sums, by, keeps_zeros)
    if not corrects or folded.bias is None:
        return folded, quantized
    rows = [torch.from_numpy(one).flatten(1).double() for one in (folded.weight, quantized.floats)]
    bias = folded.bias + moments.mean_change(*rows).numpy()
    return replace(folded, bias=bias.astype(np.float32)), quantized


def _constants(filled: FilledGraph) -> dict[str, Array]:
    """Return every tensor that does not depend on the image."""
    initializers = filled.template.skeleton.graph.initializer
    found = {one.name: numpy_helper.to_array(one) for one in initializers if one.raw_data}
    found |= filled.others
    for folded in filled.layers.values():
        found[folded.layer.weight] = folded.weight
        if folded.layer.bias is not None and folded.bias is not None:
            found[folded.layer.bias] = folded.bias
    return found


def _on_grid(values: Array, grid: ActivationGrid | None) -> Array:
    """Return `values` as they come out of their grid; as they are where they have none."""
    if grid is None:
        return values
    rounded: Array = on_grid(torch.from_numpy(values), grid).numpy()
    return rounded


def _moments(node: onnx.NodeProto, folded: FoldedLayer, exact: Array, rounded: Array) -> Moments:
    """Return the sums of what a layer reads, in the network as it is and in the rounded one."""
    both = zip(_patches(node, folded, exact), _patches(node, folded, rounded), strict=True)
    return moments_seen(both, math.ceil(len(exact) / _BATCH))


def _patches(node: onnx.NodeProto, folded: FoldedLayer, values: Array) -> Iterator[Tensor]:
    """Yield what each output of a layer is a product with, [groups, d, examples], by batches."""
    attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    for start in range(0, len(values), _BATCH):
        batch = torch.from_numpy(values[start : start + _BATCH])
        if node.op_type == "Gemm":
            yield batch.T[None]
            continue
        top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
        yield patches(
            functional.pad(batch, (left, right, top, bottom)),
            tuple(folded.weight.shape[2:]),
            tuple(attributes.get("dilations", (1, 1))),
            tuple(attributes.get("strides", (1, 1))),
            int(attributes.get("group", 1)),
        )


def _session_of(
    node: onnx.NodeProto, skeleton: onnx.ModelProto, values: Mapping[str, Array]
) -> ort.InferenceSession:
    """Return a session of one node, to which everything that it reads is given."""
    given = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(values[name].dtype), None
        )
        for name in filter(None, dict.fromkeys(node.input))
    ]
    made = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    model = helper.make_model(
        helper.make_graph([node], "node", given, made),
        ir_version=skeleton.ir_version,
        opset_imports=list(skeleton.opset_import),
    )
    return open_session(model.SerializeToString(), threads=1)


def _run(session: ort.InferenceSession, values: Mapping[str, Array]) -> dict[str, Array]:
    names = [each.name for each in session.get_outputs()]
    feeds = {each.name: values[each.name] for each in session.get_inputs()}
    return dict(zip(names, session.run(names, feeds), strict=True))
