"""Weights of a file without their zeros: a bit each says which are stored, and the others are 0.

All layers lie in one row of bits and one row of values, so that what makes weights of them stands
in the file once. It is made of standard operators of constants, which runtimes compute when they
load the file: from then on it is the file that has all weights.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from objectives.runtimes.onnx_graph import GraphWriter
from spaces import DistilfrontError

_LAYER_BYTES, _FILE_BYTES = 120, 2000
"""What it takes beside bits and values, by layer and once, or a little more."""

_ROW = 4096
"""Bits whose stored values are counted at once; a file has the count before each such row."""

Values = NDArray[np.generic]


@dataclass(frozen=True)
class Stored:
    """The weights of a layer, as numbers that a file can hold."""

    name: str
    """Of the tensor that they become."""
    values: Values
    """[out, ...], floats or codes."""
    zeros: int
    """How many of them are zero in every network of the same shape, and hence not stored."""


def worth_packing(sizes: Mapping[str, tuple[int, int]], bits: int) -> frozenset[str]:
    """Return the layers that are smaller without their zeros; none where the file would not be.

    sizes: by layer how many weights it has, and how many of them are zero. bits: of a stored one.
    """
    saved = {
        name: zeros * bits / 8 - weights / 8 - _LAYER_BYTES
        for name, (weights, zeros) in sizes.items()
    }
    worth = {name: some for name, some in saved.items() if some > 0}
    return frozenset(worth if sum(worth.values()) > _FILE_BYTES else ())


def write_packed(
    writer: GraphWriter,
    layers: Sequence[Stored],
    floats_of: Callable[[Values], str],
    *,
    as_int8: bool = False,
) -> None:
    """Write the weights of all `layers`, and what makes tensors [out, ...] of them.

    floats_of: writes a row of values, and returns what it is as floats. as_int8: the tensors are
    int8, or else floats. Raises DistilfrontError where a layer has fewer zeros than are said.
    """
    kept = [_kept(one) for one in layers]
    nothing = np.zeros(1, layers[0].values.dtype)  # What is not stored is read there.
    rows = [one.values.reshape(-1)[here] for one, here in zip(layers, kept, strict=True)]
    found = _spread(writer, np.concatenate(kept), floats_of(np.concatenate([nothing, *rows])))
    if as_int8:
        found = writer.node("Cast", [found], "sparse_int8", to=TensorProto.INT8)
    sizes, names = [one.size for one in kept], [f"sparse_{at}" for at in range(len(layers))]
    if spare := -sum(sizes) % _ROW:  # Bits of the last row that are nobody's.
        sizes, names = [*sizes, spare], [*names, "sparse_spare"]
    writer.nodes("Split", [found, writer.tensor("sparse_sizes", np.array(sizes))], names, axis=0)
    shapes = {one.values.shape: "sparse_" + "x".join(map(str, one.values.shape)) for one in layers}
    for shape, name in shapes.items():
        writer.tensor(name, np.array(shape, np.int64))
    for row, one in zip(names, layers, strict=False):
        writer.node("Reshape", [row, shapes[one.values.shape]], one.name)


def _kept(stored: Stored) -> NDArray[np.bool_]:
    """Return [weights] which are stored: all but the first zeros, as many as are said."""
    row = stored.values.reshape(-1)
    zero = np.flatnonzero(row == 0)
    if len(zero) < stored.zeros:
        raise DistilfrontError(
            f"{stored.name} must have {stored.zeros:,} weights that are zero, and has {len(zero):,}"
        )
    kept = np.ones(len(row), np.bool_)
    kept[zero[: stored.zeros]] = False
    return kept


def _spread(writer: GraphWriter, kept: NDArray[np.bool_], values: str) -> str:
    """Write bits; return floats, as many and what fills the last row, with each value at its place.

    values: floats, a zero before the first. Of these operators on these types onnxruntime and
    OpenVINO make constants when they read the file. onnxruntime leaves NonZero as it is; OpenVINO
    leaves bitwise operators and sums of integers, and then gave wrong logits (2026.4). Sums of
    floats are exact up to 2^24, hence rows.
    """
    rows = np.pad(kept, (0, -len(kept) % _ROW)).reshape(-1, _ROW)
    counts = rows.sum(1)
    constants: dict[str, Values] = {
        "bits": np.packbits(rows, bitorder="little")[:, None],
        "places": 2 ** np.arange(8, dtype=np.int32),
        "two": np.array(2, np.int32),
        "in_rows": np.array([-1, _ROW], np.int64),
        "axis": np.array(1, np.int64),
        "before": (np.cumsum(counts) - counts).astype(np.int32)[:, None],
        "in_a_row": np.array([-1], np.int64),
    }
    made = {name: writer.tensor(f"sparse_{name}", one) for name, one in constants.items()}
    wide = writer.node("Cast", [made["bits"]], "sparse_wide", to=TensorProto.INT32)
    shifted = writer.node("Div", [wide, made["places"]], "sparse_shifted")
    alone = writer.node("Mod", [shifted, made["two"]], "sparse_alone")
    there = writer.node("Reshape", [alone, made["in_rows"]], "sparse_there")
    floats = writer.node("Cast", [there], "sparse_floats", to=TensorProto.FLOAT)
    counted = writer.node("CumSum", [floats, made["axis"]], "sparse_counted")
    whole = writer.node("Cast", [counted], "sparse_whole", to=TensorProto.INT32)
    number = writer.node("Add", [whole, made["before"]], "sparse_number")
    index = writer.node("Mul", [number, there], "sparse_index")
    found = writer.node("Gather", [values, index], "sparse_found", axis=0)
    return writer.node("Reshape", [found, made["in_a_row"]], "sparse_weights")


def packed_bytes(model: onnx.ModelProto) -> dict[str, int]:
    """Return what each tensor that a file makes of bits and values takes of both, by its name."""
    tensors = {one.name: one for one in model.graph.initializer}
    if "sparse_bits" not in tensors:
        return {}
    makers = {output: node for node in model.graph.node for output in node.output}
    bits = np.unpackbits(numpy_helper.to_array(tensors["sparse_bits"]), bitorder="little")
    sizes = numpy_helper.to_array(tensors["sparse_sizes"])
    values = _bytes_behind(makers["sparse_found"].input[0], makers, tensors)
    found = {}
    rows = makers["sparse_0"].output
    made = {node.input[0]: node.output[0] for node in model.graph.node if node.op_type == "Reshape"}
    for row, part in zip(rows, np.split(bits, np.cumsum(sizes)[:-1]), strict=True):
        if row in made:
            found[made[row]] = round(len(part) / 8 + values * int(part.sum()) / int(bits.sum()))
    return found


def _bytes_behind(
    name: str, makers: Mapping[str, onnx.NodeProto], tensors: Mapping[str, onnx.TensorProto]
) -> int:
    """Return the bytes of all constants that a tensor is made of."""
    if name in tensors:
        return len(tensors[name].raw_data)
    return sum(_bytes_behind(one, makers, tensors) for one in makers[name].input)
