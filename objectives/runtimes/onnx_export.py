"""A network's float graph, exported by torch once per architecture and made fit to be filled."""

import hashlib
import logging
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import onnx
import onnx_ir as ir
import onnx_ir.passes.common as passes
import onnxscript
import onnxscript.optimizer
import torch
from onnx import numpy_helper
from torch import nn

from objectives.models import source_files
from objectives.runtimes.onnx_constants import Array, ConstantGraph, take_out_constants
from objectives.runtimes.onnx_linear import write_linear_as_gemm
from objectives.runtimes.onnx_template import GraphTemplate, Layer, Norm
from spaces import (
    WHOLE,
    DistilfrontError,
    InputError,
    Network,
    digest,
    essence,
    is_users_function,
)

OPSET = 21
"""The first with 4-bit integers."""
IR_VERSION = 10
"""The oldest file format that has this opset."""

_CODE_VERSION = 4
"""Raised when templates that older code made must not be used any more."""


@dataclass(frozen=True)
class _Folding:
    """A batch norm that was taken out of the graph."""

    norm: Norm
    own_bias: str | None


def template_key(network: Network, classes: int) -> str:
    """Return a digest of everything that decides the graph: not which weights are zero.

    What stands before its dash is common to all widths of a network, pruned or not.
    """
    sources, network = [], network.dense
    if is_users_function(network.architecture):
        files = source_files(network.architecture)
        sources = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    versions = [torch.__version__, onnx.__version__, onnxscript.__version__, OPSET]
    family, own = (
        digest(_CODE_VERSION, essence(each), classes, versions, sources)
        for each in (replace(network, width=1.0, pruned=WHOLE), network)
    )
    return f"{family[:16]}-{own}"


def export_template(model: nn.Module, image_size: int, name: str = "the network") -> GraphTemplate:
    """Export the graph of `model`, in a few seconds; it is of no other use afterwards.

    Raises InputError, which calls the network `name`, when torch cannot export it.
    """
    model.eval().requires_grad_(requires_grad=False)
    randomise(model, seed=0)
    state = {key: tensor.numpy() for key, tensor in model.state_dict().items()}
    images = torch.zeros(2, 3, image_size, image_size)
    _clip_out_of_place(model, images.shape)
    with _quiet():
        program = _exported(model, images, name)
        _weights_to_inputs(program.model.graph, state)
        onnxscript.optimizer.fold_constants_ir(program.model)
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(program.model)
        passes.RemoveUnusedNodesPass()(program.model)
        exported = onnx.shape_inference.infer_shapes(program.model_proto, data_prop=True)
        _drop_zero_biases(exported.graph)
        write_linear_as_gemm(exported.graph)
        constants = take_out_constants(exported, state)
        foldings = _take_out_norms(exported.graph)
        simplified = onnxscript.optimizer.optimize(exported)
    return _template(simplified.graph, foldings, constants, images.shape)


def _exported(model: nn.Module, images: torch.Tensor, name: str) -> torch.onnx.ONNXProgram:
    try:
        program = torch.onnx.export(
            model,
            (images,),
            dynamo=True,
            optimize=False,  # we do, when no weight can be taken for a constant any more
            verbose=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0][:200]
        raise InputError(f"{name} cannot be exported to ONNX: {reason}") from error
    if program is None:
        raise DistilfrontError("torch.onnx.export returned no program")
    shape = program.model.graph.inputs[0].shape
    if shape is not None and shape.is_static(0):
        raise InputError(
            f"{name} cannot be exported to ONNX: its forward fixes the number of images at "
            f"{len(images)}, as len(x) does; x.shape[0] leaves it open"
        )
    return program


def _weights_to_inputs(graph: ir.Graph, state: Mapping[str, Array]) -> None:
    """Make the network's tensors inputs of the graph: of an input nothing is folded or merged."""
    for key in [key for key in graph.initializers if key in state]:
        tensor = graph.initializers.pop(key)
        tensor.const_value = None
        graph.inputs.append(tensor)


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


def _clip_out_of_place(model: nn.Module, shape: torch.Size) -> None:
    """Let ReLU6 write a tensor of its own where that changes nothing.

    torch's exporter takes half of its time to undo the one in place.
    """
    clips = [each for each in model.modules() if isinstance(each, nn.Hardtanh) and each.inplace]
    if not clips:
        return
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(images)
        for clip in clips:
            clip.inplace = False
        if not torch.equal(model(images), expected):  # Something else reads what it wrote over.
            for clip in clips:
                clip.inplace = True


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


def _drop_zero_biases(graph: onnx.GraphProto) -> None:
    """Remove the zeros that the exporter gives to convolutions that have no bias."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        bias = constants.get(node.input[2]) if len(node.input) == 3 else None
        if node.op_type == "Conv" and bias is not None and not numpy_helper.to_array(bias).any():
            del node.input[2]


def _take_out_norms(graph: onnx.GraphProto) -> dict[str, _Folding]:
    """Remove each batch norm that only rescales one layer's output; return them by layer weight.

    A norm stays in the graph when something else reads the layer's output or when its tensors are
    constants.
    """
    makers = {output: node for node in graph.node for output in node.output}
    uses = _uses(graph)
    weights = {each.name: each for each in graph.input[1:]}
    own = _used_once(graph)
    foldings: dict[str, _Folding] = {}
    removed: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type != "BatchNormalization" or not weights.keys() >= set(node.input[1:]):
            continue
        layer = makers.get(node.input[0])
        if layer is None or not _is_layer(layer, own) or uses[node.input[0]] != 1:
            continue
        weight = layer.input[1]
        scale, shift, mean, variance = node.input[1:]
        norm = Norm(scale, shift, mean, variance, _attribute(node, "epsilon", 1e-5))
        foldings[weight] = _Folding(norm, layer.input[2] if len(layer.input) == 3 else None)
        folded_bias = graph.input.add()
        folded_bias.CopyFrom(weights[shift])
        folded_bias.name = _folded_bias(weight)
        layer.input[:] = [layer.input[0], weight, folded_bias.name]
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


def _used_once(graph: onnx.GraphProto) -> set[str]:
    """Return the weights that one node reads: what two layers share stays as it is."""
    uses = _uses(graph)
    return {each.name for each in graph.input[1:] if uses[each.name] == 1}


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
    foldings: dict[str, _Folding],
    constants: ConstantGraph,
    image_shape: tuple[int, ...],
) -> GraphTemplate:
    """Return the graph without weights, and without what an exporter tells about its machine."""
    own, uses = _used_once(graph), _uses(graph)
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
    for weight in graph.input[1:]:
        if uses[weight.name]:
            kind = weight.type.tensor_type
            sizes = [size.dim_value for size in kind.shape.dim]
            skeleton.graph.initializer.add(name=weight.name, dims=sizes, data_type=kind.elem_type)
    for tensor in graph.initializer:
        constant = numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name)
        skeleton.graph.initializer.append(constant)
    for ends, name, shape in (
        (skeleton.graph.input, graph.input[0].name, ["batch", *image_shape[1:]]),
        (skeleton.graph.output, graph.output[0].name, ["batch", "classes"]),
    ):
        ends.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    return GraphTemplate(skeleton, tuple(layers), constants)


def _layer(node: onnx.NodeProto, foldings: dict[str, _Folding]) -> Layer:
    weight = node.input[1]
    bias = node.input[2] if len(node.input) == 3 else None
    folding = foldings.get(weight)
    if folding is None:
        return Layer(node.name, weight, bias, bias, None)
    return Layer(node.name, weight, bias, folding.own_bias, folding.norm)
