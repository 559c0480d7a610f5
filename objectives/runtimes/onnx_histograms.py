"""What activations are on calibration images, and how much of them their grids cut off."""

from collections.abc import Mapping

import numpy as np

from objectives.layer_figures import TensorHistogram
from objectives.quantization import ActivationGrid
from objectives.runtimes.onnx_calibration import session_with_outputs, tensors_of, tensors_on_grids
from objectives.runtimes.onnx_constants import Array
from objectives.runtimes.onnx_layouts import write_model
from objectives.runtimes.onnx_template import FilledGraph
from spaces import Float32

_BINS = 60


def histograms(
    filled: FilledGraph,
    grids: Mapping[str, ActivationGrid],
    images: Array,
    names: Mapping[str, str],
) -> tuple[TensorHistogram, ...]:
    """Return a histogram of each tensor that has a grid of its own, in graph order.

    images: [n, 3, h, w]. names: those of layers, by node. It runs the images twice, first for the
    ends of the histograms.
    """
    graph = filled.template.skeleton.graph
    tensors = list(dict.fromkeys(tensors_on_grids(graph).values()))
    session = session_with_outputs(write_model(filled, Float32(), {}), tensors)
    low, high = dict.fromkeys(tensors, np.inf), dict.fromkeys(tensors, -np.inf)
    for name, values in tensors_of(session, tensors, images):
        low[name] = min(low[name], float(values.min()))
        high[name] = max(high[name], float(values.max()))
    counts = {name: np.zeros(_BINS, np.int64) for name in tensors}
    cut, seen = dict.fromkeys(tensors, 0), dict.fromkeys(tensors, 0)
    for name, values in tensors_of(session, tensors, images):
        counts[name] += np.histogram(values, _BINS, (low[name], high[name]))[0]
        step, (least, most) = grids[name].scale, _ends(grids[name])
        # Half a step beyond an end is rounded to it, as everywhere else.
        cut[name] += int(np.sum((values < least - step / 2) | (values > most + step / 2)))
        seen[name] += values.size
    said: dict[str, str] = {}
    for node in graph.node:
        if node.name in names:
            said.setdefault(node.input[0], f"into {names[node.name]}")
            said[node.output[0]] = f"after {names[node.name]}"
    return tuple(
        TensorHistogram(
            said.get(name, name),
            low[name],
            high[name],
            *_ends(grids[name]),
            tuple(counts[name].tolist()),
            cut[name] / seen[name],
        )
        for name in tensors
    )


def _ends(grid: ActivationGrid) -> tuple[float, float]:
    return -grid.zero_point * grid.scale, (255 - grid.zero_point) * grid.scale
