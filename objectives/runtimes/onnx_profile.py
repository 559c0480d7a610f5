"""Where the time and the bytes of a file go, by layer: onnxruntime's profiler, and tensors."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from objectives.runtimes.onnx_constants import Array
from objectives.runtimes.onnx_session import session_options
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
_ROUNDS, _RUNS, _WARM_UP = 10, 10, 10
_SUFFIX = "_kernel_time"


@dataclass(frozen=True)
class Kernel:
    """A kernel of a loaded file."""

    name: str
    """Of its node, after onnxruntime's fusions."""
    op: str
    us: float
    """On average, of one image."""


@dataclass(frozen=True)
class Profile:
    """Where the time of a file goes. What its kernels do not take is spent between them."""

    kernels: tuple[Kernel, ...]
    us: float
    """Of a whole call, under the profiler."""


def profiles(files: Sequence[bytes], images: Array) -> list[Profile]:
    """Return where the time of each of `files` goes: one thread, one image [1, 3, h, w] a call.

    The files take turns, so that what else the machine does slows all of them. Of the calls, the
    half counts whose times are in the middle, so kernels add up to no more than the call.
    """
    with tempfile.TemporaryDirectory(prefix="distilfront-") as folder:
        sessions = [_profiled(file, Path(folder, str(at))) for at, file in enumerate(files)]
        for _ in range(_WARM_UP // _RUNS + _ROUNDS):
            for session in sessions:
                for turn in range(_RUNS):
                    image = images[turn % len(images)][None]
                    session.run(None, {session.get_inputs()[0].name: image})
        return [_profile(Path(session.end_profiling())) for session in sessions]


def _profiled(file: bytes, prefix: Path) -> ort.InferenceSession:
    options = session_options(threads=1)
    options.enable_profiling = True
    options.profile_file_prefix = str(prefix)
    return ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _profile(events_file: Path) -> Profile:
    events = json.loads(events_file.read_text("utf-8"))
    calls = sorted(
        (event for event in events if event["name"] == "model_run"), key=lambda event: event["ts"]
    )[_WARM_UP:]
    durations = np.array([call["dur"] for call in calls])
    low, high = np.quantile(durations, (0.25, 0.75))
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
    kernels = [Kernel(name, op, us / len(middle)) for (name, op), us in spent.items()]
    return Profile(tuple(kernels), float(np.mean([call["dur"] for call in middle])))


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
    return found


def _owners(template: GraphTemplate) -> dict[str, str]:
    """Return by weight and bias the node of their layer, the first where several share one."""
    owners: dict[str, str] = {}
    for layer in template.layers:
        for tensor in filter(None, (layer.weight, layer.bias)):
            owners.setdefault(tensor, layer.node)
    return owners
