"""Numbers in a file in as many bits as a layout has for them, and what makes floats of them.

What a weight costs at run time depends on how it is written: onnxruntime folds Cast and Mul of
constants into the float weight, but never a lone DequantizeLinear, which it either fuses into an
integer kernel (when its input is dequantized too) or computes anew on every call. Hence
weight-only layouts use Cast and Mul, and static ones DequantizeLinear.
"""

from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np
from onnx import TensorProto

from objectives.quantization import BLOCK, STEPS, QuantizedWeight
from objectives.runtimes.onnx_constants import Array
from objectives.runtimes.onnx_functions import bit_planes, from_bit_planes, from_blocks
from objectives.runtimes.onnx_graph import GraphWriter
from objectives.runtimes.onnx_sparse import Values
from spaces import BFloat16, Float16, Layout

_STORED: Mapping[int, Any] = {8: np.int8, 4: ml_dtypes.int4}
"""By bits of a code, the integers that ONNX packs in as many bits."""


def float_tensor(writer: GraphWriter, name: str, values: Array, layout: Layout) -> None:
    """Write `values`, floats or not, as the tensor `name`, floats in 16 bits if the layout is."""
    stored = _shorter(values, layout) if values.dtype == np.float32 else None
    if stored is not None:
        half = writer.tensor(f"{name}_half", stored)
        writer.node("Cast", [half], name, to=TensorProto.FLOAT)
    else:
        writer.tensor(name, values)


def _shorter(
    values: Array, layout: Layout
) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]] | None:
    """Return `values` in 16 bits, if the layout has them so; what is beyond becomes the largest."""
    match layout:
        case Float16():
            limit = float(np.finfo(np.float16).max)
            return values.clip(-limit, limit).astype(np.float16)
        case BFloat16():
            limit = float(ml_dtypes.finfo(ml_dtypes.bfloat16).max)
            return values.clip(-limit, limit).astype(ml_dtypes.bfloat16)
        case _:
            return None


def codes_as_floats(writer: GraphWriter, name: str, codes: Values, bits: int) -> str:
    """Write codes in as many bits as they need; return the name of what they are as floats."""
    floats = f"{name}_float"
    if bits in _STORED:
        writer.tensor(name, codes.astype(_STORED[bits]))
        return writer.node("Cast", [name], floats, to=TensorProto.FLOAT)
    writer.tensor(name, bit_planes(codes.astype(np.int8), bits))
    shape = writer.tensor(f"{name}_shape", np.array(codes.shape, np.int64))
    return writer.call(from_bit_planes(bits), [name, shape], floats)


def codes_as_int8(writer: GraphWriter, name: str, codes: Values, bits: int) -> str:
    """Write codes of 8 or 4 bits in as many; return the name of what they are in 8."""
    writer.tensor(name, codes.astype(_STORED[bits]))
    if bits == 8:
        return name
    return writer.node("Cast", [name], f"{name}_int8", to=TensorProto.INT8)


def scaled(writer: GraphWriter, name: str, floats: str, quantized: QuantizedWeight) -> None:
    """Write a weight's scales, and the weight `name` that codes as `floats` stand for."""
    scale, codes = quantized.scale, quantized.codes
    by_channel = (-1, *[1] * (codes.ndim - 1))
    if scale.shape[1] == 1:
        whole = quantized.form.granularity == "tensor"
        one = writer.tensor(f"{name}_scale", scale.max() if whole else scale.reshape(by_channel))
        writer.node("Mul", [floats, one], name)
        return
    largest = scale.max(1, keepdims=True)
    parts = np.rint(scale / largest * STEPS).astype(np.uint8)[:, :, None]
    one = writer.tensor(f"{name}_scale", (largest / np.float32(STEPS)).reshape(by_channel))
    writer.call(from_blocks(BLOCK), [floats, writer.tensor(f"{name}_parts", parts), one], name)
