"""Codes of a few bits in an ONNX file: one plane of bits for each bit of a code.

ONNX has no integers of 3 bits, and those of 2 only since opset 25, which few runtimes read. Planes
are plain uint8 tensors, and what puts them together is a function in the file itself. onnxruntime
puts that in place of its call and folds it, when it loads the file.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

DOMAIN = "distilfront"
"""Of the functions that a file brings along."""


def bit_planes(codes: NDArray[np.int8], bits: int) -> NDArray[np.uint8]:
    """Return [bits, n, 1]: bit k of code 8 i + j, in two's complement, is bit j of [k, i].

    The codes are taken in their order in memory, n = ceil(codes / 8).
    """
    patterns = codes.reshape(-1).view(np.uint8)
    planes = [(patterns >> bit) & 1 for bit in range(bits)]
    return np.stack([np.packbits(plane, bitorder="little") for plane in planes])[:, :, None]


def from_bit_planes(bits: int) -> onnx.FunctionProto:
    """Return the function (planes, shape) -> codes in floats, the inverse of `bit_planes`.

    It is of the opset of the file that it is put into, 18 at least.
    """
    worth = [2.0**bit for bit in range(bits - 1)] + [-(2.0 ** (bits - 1))]
    constants = {
        "places": np.arange(8, dtype=np.uint8),
        "one": np.array(1, np.uint8),
        "worth": np.array(worth, np.float32).reshape(-1, 1, 1),
        "planes_axis": np.array([0], np.int64),
        "in_a_row": np.array([-1], np.int64),
        "start": np.array([0], np.int64),
    }
    node = helper.make_node
    nodes = [
        *(
            node("Constant", [], [name], value=numpy_helper.from_array(value))
            for name, value in constants.items()
        ),
        node("BitShift", ["planes", "places"], ["shifted"], direction="RIGHT"),
        node("BitwiseAnd", ["shifted", "one"], ["bits"]),
        node("Cast", ["bits"], ["floats"], to=TensorProto.FLOAT),
        node("Mul", ["floats", "worth"], ["parts"]),
        node("ReduceSum", ["parts", "planes_axis"], ["sums"], keepdims=0),
        node("Reshape", ["sums", "in_a_row"], ["row"]),
        node("ReduceProd", ["shape"], ["count"], keepdims=1),
        node("Slice", ["row", "start", "count"], ["kept"]),  # The last byte may have bits to spare.
        node("Reshape", ["kept", "shape"], ["codes"]),
    ]
    name, inputs = f"FromBitPlanes{bits}", ["planes", "shape"]
    return helper.make_function(DOMAIN, name, inputs, ["codes"], nodes, opset_imports=[])
