"""Artifacts made the long way: batch norm fused by torch.fx, the whole network exported anew."""

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from torch import nn
from torch.fx.experimental.optimization import fuse
from torchao.quantization.quant_primitives import dequantize_affine

from objectives.quantization import ActivationGrid


def fused_network(model: nn.Module) -> nn.Module:
    """Return a copy with every batch norm in its convolution, by torch.fx in float64."""
    return fuse(copy.deepcopy(model).eval().double()).float()


def stored_tensors(artifact: Path) -> dict[str, NDArray[np.generic]]:
    """Return the tensors in an artifact by name."""
    tensors = onnx.load(artifact).graph.initializer
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in tensors}


def stored_weights(artifact: Path) -> dict[str, torch.Tensor]:
    """Return the float weights and biases that an artifact's tensors stand for, by torchao."""
    tensors = stored_tensors(artifact)
    weights: dict[str, torch.Tensor] = {}
    for name, values in tensors.items():
        base, _, kind = name.rpartition("_")
        if kind == "half":
            weights[base] = torch.from_numpy(values.astype(np.float32))
        elif kind == "codes":
            shape = tensors.get(f"{name}_shape")
            stored = values if shape is None else from_planes(values, shape)
            codes = torch.from_numpy(stored.astype(np.int32))
            scale = torch.from_numpy(tensors[f"{base}_scale"].flatten())
            parts = tensors.get(f"{base}_parts")
            if parts is None:
                block = (1, *codes.shape[1:]) if len(scale) > 1 else tuple(codes.shape)
                zero = torch.zeros(len(scale), dtype=torch.int32)
                weights[base] = dequantize_affine(codes, block, scale, zero, torch.int32)
            else:
                each = np.repeat(parts[:, :, 0].astype(np.float32), 32, axis=1)
                rows = codes.flatten(1) * torch.from_numpy(each)[:, : codes[0].numel()]
                weights[base] = (rows * scale[:, None]).reshape(codes.shape)
        elif values.dtype == np.float32 and values.ndim:
            weights.setdefault(name, torch.from_numpy(values.copy()))
    return weights


def from_planes(planes: NDArray[np.generic], shape: NDArray[np.generic]) -> NDArray[np.int32]:
    """Return codes in two's complement that stand as planes [n, 1], one for each of their bits."""
    bits = np.unpackbits(planes[:, :, 0].astype(np.uint8), axis=1, bitorder="little").astype(int)
    worth = np.array([*(2**bit for bit in range(len(bits) - 1)), -(2 ** (len(bits) - 1))])
    size = int(np.prod(shape))
    return (worth @ bits)[:size].reshape(shape).astype(np.int32)


def with_stored_weights(fused: nn.Module, artifact: Path) -> nn.Module:
    """Load into the fused network the weights that `artifact` holds."""
    weights = {
        name.replace(".folded_bias", ".bias"): value
        for name, value in stored_weights(artifact).items()
    }
    fused.load_state_dict({name: weights[name] for name in fused.state_dict()})
    return fused


def export(network: nn.Module, image_size: int, path: Path) -> Path:
    """Export the network by torch's exporter as it comes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (torch.zeros(2, 3, image_size, image_size),),
            dynamo=True,
            verbose=False,
            opset_version=21,
            input_names=["image"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        )
    program.save(path)
    return path


def run(path: Path, images: NDArray[np.float32], batch: int = 32) -> NDArray[np.float32]:
    """Return the logits of a file, run by onnxruntime."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    starts = range(0, len(images), batch)
    runs = [session.run(None, {"image": images[at : at + batch]})[0] for at in starts]
    return np.concatenate(runs)


class _Images(CalibrationDataReader):
    def __init__(self, images: NDArray[np.float32]) -> None:
        self._batches = iter([{"image": images}])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._batches, None)


def quantized_statically(
    exported: Path,
    skeleton: onnx.GraphProto,
    grids: Mapping[str, ActivationGrid],
    artifact: Path,
    images: NDArray[np.float32],
    out: Path,
) -> Path:
    """Quantize a float export by onnxruntime's own tool, given the scales in `artifact`."""
    graph = onnx.load(exported).graph
    assert [node.op_type for node in graph.node] == [node.op_type for node in skeleton.node]
    tensors = stored_tensors(artifact)
    overrides: dict[str, list[dict[str, object]]] = {}
    pairs = [("image", "image")]
    for theirs, ours in zip(graph.node, skeleton.node, strict=True):
        pairs.append((theirs.output[0], ours.output[0]))
        if theirs.op_type in {"Conv", "Gemm"}:
            scales = tensors[f"{ours.input[1]}_scale"]
            overrides[theirs.input[1]] = [
                {
                    "quant_type": QuantType.QInt8,
                    **({"axis": 0} if np.ndim(scales) else {}),
                    "scale": scale,
                    "zero_point": np.array(0, np.int8),
                }
                for scale in np.atleast_1d(scales)
            ]
    for theirs, ours in pairs:
        if ours in grids:
            overrides[theirs] = [
                {
                    "quant_type": QuantType.QUInt8,
                    "scale": np.array(grids[ours].scale, np.float32),
                    "zero_point": np.array(grids[ours].zero_point, np.uint8),
                }
            ]
    quantize_static(
        exported,
        out,
        _Images(images),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        extra_options={
            "TensorQuantOverrides": overrides,
            "OpTypesToExcludeOutputQuantization": ["Gemm"],
        },
    )
    return out


def quantized_dynamically(exported: Path, out: Path) -> Path:
    """Quantize the linear layers of a float export by onnxruntime's own tool."""
    model = onnx.load(exported)
    del model.graph.value_info[:]  # the tool transposes weights and trips over their old shapes
    quantize_dynamic(
        model, out, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8
    )
    return out
