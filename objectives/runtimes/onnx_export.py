"""A network's float graph, exported by torch once per architecture and made fit to be filled."""

import hashlib
import inspect
import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx_ir.passes.common as passes
import onnxscript
import onnxscript.optimizer
import torch
from onnx import numpy_helper
from torch import nn

from objectives.models import users_function
from objectives.runtimes.onnx_template import GraphTemplate, Layer, Norm
from spaces import DistilfrontError, InputError, Network, digest, essence

OPSET = 21
"""The first with 4-bit integers."""
IR_VERSION = 10
"""The oldest file format that has this opset."""

_CODE_VERSION = 1
"""Raised when templates that older code made must not be used any more."""


@dataclass(frozen=True)
class _Folding:
    """A batch norm that was taken out of the graph."""

    norm: Norm
    own_bias: str | None


def template_key(network: Network, classes: int) -> str:
    """Return a digest of everything that decides the graph."""
    source = ""
    if ":" in network.architecture and not network.architecture.startswith("timm:"):
        path = inspect.getsourcefile(users_function(network.architecture))
        source = hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else ""
    versions = [torch.__version__, onnx.__version__, onnxscript.__version__, OPSET]
    return digest(_CODE_VERSION, essence(network), classes, versions, source)


def export_template(model: nn.Module, image_size: int) -> GraphTemplate:
    """Export the graph of `model`, in a few seconds; its weights are replaced by random ones.

    Raises InputError when torch cannot export the network.
    """
    model.eval()
    randomise(model, seed=0)
    names = set(model.state_dict())
    images = torch.zeros(2, 3, image_size, image_size)
    with _quiet():
        try:
            program = torch.onnx.export(
                model,
                (images,),
                dynamo=True,
                optimize=False,  # it would fold batch norms with these weights
                verbose=False,
                opset_version=OPSET,
                input_names=["image"],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            )
        except torch.onnx.OnnxExporterError as error:
            reason = str(error.__cause__ or error).strip().splitlines()[0][:200]
            raise InputError(f"the network cannot be exported to ONNX: {reason}") from error
        if program is None:
            raise DistilfrontError("torch.onnx.export returned no program")
        onnxscript.optimizer.fold_constants_ir(program.model)
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(program.model)
        passes.RemoveUnusedNodesPass()(program.model)
        exported = program.model_proto
        _drop_zero_biases(exported.graph, names)
        foldings = _take_out_norms(exported.graph, names)
        simplified = onnxscript.optimizer.optimize(exported)
    return _template(simplified.graph, names, foldings, images.shape)


def randomise(model: nn.Module, seed: int) -> None:
    """Make all tensors of `model` differ, so that the exporter can neither merge nor drop any."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                noise = torch.rand(tensor.shape, generator=generator)
                if name.endswith("running_var"):
                    tensor.copy_(0.5 + noise)
                else:
                    tensor.add_(0.2 * (noise - 0.5))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what torch's exporter says about itself."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _drop_zero_biases(graph: onnx.GraphProto, names: set[str]) -> None:
    """Remove the zeros that the exporter gives to convolutions that have no bias."""
    constants = {tensor.name: tensor for tensor in graph.initializer if tensor.name not in names}
    for node in graph.node:
        bias = constants.get(node.input[2]) if len(node.input) == 3 else None
        if node.op_type == "Conv" and bias is not None and not numpy_helper.to_array(bias).any():
            del node.input[2]


def _take_out_norms(graph: onnx.GraphProto, names: set[str]) -> dict[str, _Folding]:
    """Remove each batch norm that only rescales one layer's output; return them by layer weight.

    A norm stays in the graph when something else reads the layer's output or when its tensors are
    constants.
    """
    makers = {output: node for node in graph.node for output in node.output}
    uses = _uses(graph)
    own = _used_once(graph, names)
    channels = {tensor.name: tensor.dims[0] for tensor in graph.initializer if tensor.dims}
    generator = np.random.default_rng(0)
    foldings: dict[str, _Folding] = {}
    removed: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type != "BatchNormalization" or not names.issuperset(node.input[1:]):
            continue
        layer = makers.get(node.input[0])
        if layer is None or not _is_layer(layer, own) or uses[node.input[0]] != 1:
            continue
        weight = layer.input[1]
        scale, shift, mean, variance = node.input[1:]
        norm = Norm(scale, shift, mean, variance, _attribute(node, "epsilon", 1e-5))
        foldings[weight] = _Folding(norm, layer.input[2] if len(layer.input) == 3 else None)
        stand_in = generator.random(channels[weight], dtype=np.float32)  # equal ones are merged
        graph.initializer.append(numpy_helper.from_array(stand_in, _folded_bias(weight)))
        layer.input[:] = [layer.input[0], weight, _folded_bias(weight)]
        layer.output[0] = node.output[0]
        removed.append(node)
    for node in removed:
        graph.node.remove(node)
    return foldings


def _folded_bias(weight: str) -> str:
    return f"{weight.removesuffix('.weight')}.folded_bias"


def _uses(graph: onnx.GraphProto) -> Counter[str]:
    uses = Counter(name for node in graph.node for name in node.input)
    uses.update(output.name for output in graph.output)
    return uses


def _used_once(graph: onnx.GraphProto, names: set[str]) -> set[str]:
    """Return those of `names` that one node reads: what two layers share stays as it is."""
    uses = _uses(graph)
    return {name for name in names if uses[name] == 1}


def _is_layer(node: onnx.NodeProto, own: set[str]) -> bool:
    """Whether `node` multiplies by a weight [out, ...] of its own and adds a bias [out], if any."""
    if len(node.input) < 2 or not own.issuperset(node.input[1:]):
        return False
    if node.op_type == "Gemm":
        factors = _attribute(node, "alpha", 1.0), _attribute(node, "beta", 1.0)
        return _attribute(node, "transB", 0) == 1 and factors == (1.0, 1.0)
    return bool(node.op_type == "Conv")


def _attribute(node: onnx.NodeProto, name: str, default: float) -> float:
    values = {attribute.name: attribute for attribute in node.attribute}
    return float(onnx.helper.get_attribute_value(values[name])) if name in values else default


def _template(
    graph: onnx.GraphProto,
    names: set[str],
    foldings: dict[str, _Folding],
    image_shape: tuple[int, ...],
) -> GraphTemplate:
    """Return the graph without weights, and without what an exporter tells about its machine."""
    filled = names | {_folded_bias(weight) for weight in foldings}
    own = _used_once(graph, filled)
    skeleton = onnx.ModelProto(ir_version=IR_VERSION, producer_name="distilfront")
    skeleton.opset_import.add(domain="", version=OPSET)
    skeleton.graph.name = "classifier"
    layers = []
    for number, node in enumerate(graph.node):
        bare = skeleton.graph.node.add(
            name=f"{node.op_type}_{number}",
            op_type=node.op_type,
            domain=node.domain,
            input=node.input,
            output=node.output,
        )
        for attribute in node.attribute:
            bare.attribute.add().CopyFrom(attribute)
            bare.attribute[-1].doc_string = ""
        if _is_layer(node, own):
            layers.append(_layer(bare, foldings))
    for tensor in graph.initializer:
        if tensor.name in filled:
            skeleton.graph.initializer.add(
                name=tensor.name, dims=tensor.dims, data_type=tensor.data_type
            )
        else:
            constant = numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name)
            skeleton.graph.initializer.append(constant)
    for ends, name, shape in (
        (skeleton.graph.input, graph.input[0].name, ["batch", *image_shape[1:]]),
        (skeleton.graph.output, graph.output[0].name, ["batch", "classes"]),
    ):
        ends.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    return GraphTemplate(skeleton, tuple(layers))


def _layer(node: onnx.NodeProto, foldings: dict[str, _Folding]) -> Layer:
    weight = node.input[1]
    bias = node.input[2] if len(node.input) == 3 else None
    folding = foldings.get(weight)
    if folding is None:
        return Layer(node.name, weight, bias, bias, None)
    return Layer(node.name, weight, bias, folding.own_bias, folding.norm)
