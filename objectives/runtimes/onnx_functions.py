"""Functions in an ONNX file that make floats of codes: of planes of bits, of blocks with scales.

onnxruntime puts a function in place of its call and folds it, when it loads the file.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

DOMAIN = "distilfront"
"""Of the functions that a file brings along."""


def bit_planes(codes: NDArray[np.int8], bits: int) -> NDArray[np.uint8]:
    """Return codes as one plane of bits for each bit of a code, plain uint8 tensors.

    ONNX has no integers of 3 bits or 5 to 7, and those of 2 only since opset 25, which few runtimes
    read. The planes are [bits, n, 1]: bit k of code 8 i + j, in two's complement, is bit j of
    [k, i]. The codes are taken in their order in memory, n = ceil(codes / 8).
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


def from_blocks(size: int) -> onnx.FunctionProto:
    """Return the function (codes, parts, scale) -> weight: codes * parts * scale.

    codes: floats [out, ...]. parts: uint8 [out, blocks, 1], one for so many codes of an output in
    their order in memory. scale: [out, 1, ...].
    """
    constants = {
        "ones": np.ones((1, 1, size), np.float32),
        "rows": np.array([0, -1], np.int64),
        "first": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "two": np.array([2], np.int64),
    }
    node = helper.make_node
    nodes = [
        *(
            node("Constant", [], [name], value=numpy_helper.from_array(value))
            for name, value in constants.items()
        ),
        node("Shape", ["codes"], ["shape"]),
        node("Reshape", ["codes", "rows"], ["flat"]),
        node("Shape", ["flat"], ["sizes"]),
        node("Slice", ["sizes", "one", "two"], ["wide"]),
        node("Cast", ["parts"], ["floats"], to=TensorProto.FLOAT),
        node("Mul", ["floats", "ones"], ["spread"]),
        node("Reshape", ["spread", "rows"], ["all"]),
        # The last block may have codes to spare.
        node("Slice", ["all", "first", "wide", "one"], ["kept"]),
        node("Mul", ["flat", "kept"], ["products"]),
        node("Reshape", ["products", "shape"], ["shaped"]),
        node("Mul", ["shaped", "scale"], ["weight"]),
    ]
    return helper.make_function(
        DOMAIN, f"FromBlocks{size}", ["codes", "parts", "scale"], ["weight"], nodes, []
    )
