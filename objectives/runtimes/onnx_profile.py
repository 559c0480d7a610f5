"""Where the time and the bytes of a file go, by layer: onnxruntime's profiler, and tensors."""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper

from objectives.runtimes.onnx_constants import Array
from objectives.runtimes.onnx_session import open_session, session_options
from objectives.runtimes.onnx_sparse import packed_bytes
from objectives.runtimes.onnx_template import GraphTemplate

INTEGER_KERNELS = frozenset(
    {
        "ConvInteger",
        "DynamicQuantizeMatMul",
        "MatMulInteger",
        "MatMulIntegerToFloat",
        "QGemm",
        "QLinearConv",
        "QLinearMatMul",
    }
)
"""Multiply integers."""
_FLOAT_KERNELS = frozenset({"Conv", "FusedConv", "FusedGemm", "FusedMatMul", "Gemm", "MatMul"})
_ROUNDS, _RUNS, _SETTLE = 12, 10, 2
"""Turns of each file, calls a turn, and of these the first, which find another file's weights in
the processor's caches and do not count."""
_SUFFIX = "_kernel_time"
_NEGATIONS = 20
"""Kernels of a graph that does next to nothing."""
_HALVINGS = 30


@dataclass(frozen=True)
class Kernel:
    """A kernel of a loaded file."""

    name: str
    """Of its node, after onnxruntime's fusions."""
    op: str
    us: float
    """Of a call."""


@dataclass(frozen=True)
class Profile:
    """Where the time of a file goes. What its kernels do not take is the call and between them."""

    kernels: tuple[Kernel, ...]
    us: float
    """Of a whole call without the profiler."""


def profiles(files: Sequence[bytes], images: Array) -> list[Profile]:
    """Return where the time of each of `files` goes: one thread, one image of [n, 3, h, w] a call.

    Each is timed with the profiler, for its kernels, and without, for the whole. They take turns,
    so that what else the machine does slows all of them; the half of the calls counts whose times
    are in the middle. The profiler makes each kernel seem longer, a small one many times: by about
    what it says of a kernel that negates one number. That is subtracted from each, or as much more
    as lets all of them fit into the whole.
    """
    plain = [open_session(file, threads=1) for file in files]
    times: list[list[float]] = [[] for _ in files]
    with tempfile.TemporaryDirectory(prefix="distilfront-") as folder:
        sessions = [
            _profiled(file, Path(folder, str(at))) for at, file in enumerate([*files, _nothing()])
        ]
        for _ in range(_ROUNDS):
            for at, session in enumerate(plain):
                times[at] += _called(session, images)[_SETTLE:]
            for session in sessions[:-1]:
                _called(session, images)
            _called(sessions[-1], images[:1, 0, 0, 0])
        *found, nothing = [_kernels(Path(session.end_profiling())) for session in sessions]
    least = float(np.mean([kernel.us for kernel in nothing]))
    both = zip(found, times, strict=True)
    return [_corrected(kernels, least, _middle(whole)) for kernels, whole in both]


def _nothing() -> bytes:
    """Return a file that negates one number again and again."""
    names = ["number", *(f"number_{at}" for at in range(_NEGATIONS))]
    nodes = [
        helper.make_node("Neg", [one], [other], name=f"Neg_{at}")
        for at, (one, other) in enumerate(pairwise(names))
    ]
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        for name in (names[0], names[-1])
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "nothing", ends[:1], ends[1:]),
        ir_version=8,
        opset_imports=[helper.make_opsetid("", 17)],
    )
    content: bytes = model.SerializeToString()
    return content


def _profiled(file: bytes, prefix: Path) -> ort.InferenceSession:
    options = session_options(threads=1)
    options.enable_profiling = True
    options.profile_file_prefix = str(prefix)
    return ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _called(session: ort.InferenceSession, images: Array) -> list[float]:
    """Return the microseconds of the calls of a turn."""
    name, times = session.get_inputs()[0].name, []
    for turn in range(_RUNS):
        given = {name: images[turn % len(images)][None]}
        begun = time.perf_counter()
        session.run(None, given)
        times.append(1e6 * (time.perf_counter() - begun))
    return times


def _middle(values: Sequence[float]) -> float:
    """Return the mean of the half of `values` in the middle."""
    low, high = np.quantile(values, (0.25, 0.75))
    return float(np.mean([value for value in values if low <= value <= high]))


def _kernels(events_file: Path) -> list[Kernel]:
    """Return the kernels with their times as the profiler has them."""
    events = json.loads(events_file.read_text("utf-8"))
    calls = [event for event in events if event["name"] == "model_run"]
    calls = sorted(calls, key=lambda event: event["ts"])
    calls = [call for at, call in enumerate(calls) if at % _RUNS >= _SETTLE]
    low, high = np.quantile([call["dur"] for call in calls], (0.25, 0.75))
    middle = [call for call in calls if low <= call["dur"] <= high]
    starts = np.array([call["ts"] for call in middle])
    ends = starts + np.array([call["dur"] for call in middle])
    spent: Counter[tuple[str, str]] = Counter()
    for event in events:
        if event["cat"] != "Node" or not event["name"].endswith(_SUFFIX):
            continue
        at = int(np.searchsorted(starts, event["ts"], side="right")) - 1
        if at >= 0 and event["ts"] < ends[at]:
            name = event["name"].removesuffix(_SUFFIX)
            spent[name, event["args"]["op_name"]] += event["dur"]
    return [Kernel(name, op, us / len(middle)) for (name, op), us in spent.items()]


def _corrected(kernels: Sequence[Kernel], least: float, whole: float) -> Profile:
    """Return the profile of kernels each of which seems longer by `least` or, to fit, by more."""
    seem = np.array([kernel.us for kernel in kernels])
    longer, most = least, max(least, float(seem.max(initial=0.0)))
    if np.maximum(seem - longer, 0).sum() > whole:
        for _ in range(_HALVINGS):
            middle = (longer + most) / 2
            fits = np.maximum(seem - middle, 0).sum() <= whole
            longer, most = (longer, middle) if fits else (middle, most)
        longer = most
    left = np.maximum(seem - longer, 0).tolist()
    pairs = zip(kernels, left, strict=True)
    return Profile(tuple(replace(kernel, us=us) for kernel, us in pairs), whole)


def layer_of(kernel: Kernel, template: GraphTemplate) -> str | None:
    """Return the node of the layer that a kernel computes, or whose weight it makes.

    None of what belongs to no layer, or to none that its name tells.
    """
    owners = _owners(template)
    if tensor := _longest(kernel.name, owners):
        return owners[tensor]
    if kernel.op not in INTEGER_KERNELS | _FLOAT_KERNELS:
        return None
    graph = template.skeleton.graph
    makers = {output: node for node in graph.node for output in node.output}
    known = makers | {node.name: node for node in graph.node}
    node = known.get(_longest(kernel.name, known))
    layers = {layer.node for layer in template.layers}
    # A kernel may have the name of an activation that is fused into it.
    while node is not None and node.name not in layers:
        node = makers.get(node.input[0]) if node.input else None
    return None if node is None else node.name


def _longest(name: str, known: Iterable[str]) -> str:
    """Return the longest of `known` names that `name` begins with, to which something is added."""
    return max((one for one in known if f"{name}_".startswith(f"{one}_")), key=len, default="")


def layer_bytes(model: onnx.ModelProto, template: GraphTemplate) -> dict[str | None, int]:
    """Return the bytes of each layer's weight and bias in a file, scales included, by node.

    None: those of all other tensors.
    """
    owners = _owners(template)
    found: dict[str | None, int] = dict.fromkeys([*owners.values(), None], 0)
    for tensor in model.graph.initializer:
        found[owners.get(_longest(tensor.name, owners))] += len(tensor.raw_data)
    for name, size in packed_bytes(model).items():
        found[owners.get(_longest(name, owners))] += size
        found[None] -= size
    return found


def _owners(template: GraphTemplate) -> dict[str, str]:
    """Return by weight and bias the node of their layer, the first where several share one."""
    owners: dict[str, str] = {}
    for layer in template.layers:
        for tensor in filter(None, (layer.weight, layer.bias)):
            owners.setdefault(tensor, layer.node)
    return owners
