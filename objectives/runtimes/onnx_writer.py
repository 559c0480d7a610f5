"""One set of weights in its architecture's graph, ready to be written under any scheme."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from objectives.quantization import (
    ActivationGrid,
    Form,
    Observed,
    activation_grid,
    bits_of_layers,
)
from objectives.runtimes.onnx_calibration import (
    session_with_outputs,
    tensors_of,
    tensors_on_grids,
)
from objectives.runtimes.onnx_equalization import equalized
from objectives.runtimes.onnx_layouts import write_model
from objectives.runtimes.onnx_rounding import (
    Rounded,
    keep_layers,
    nearest_weights,
    rounded_layers,
)
from objectives.runtimes.onnx_sensitivity import sensitivities
from objectives.runtimes.onnx_template import FilledGraph
from objectives.runtimes.runtime import LayerMemory
from spaces import (
    WIDTHS,
    BitsByLayer,
    Calibration,
    DistilfrontError,
    Float32,
    LayerSensitivity,
    Layout,
    Scheme,
    Static,
    WeightOnly,
)


class OnnxArtifactWriter:
    """One set of weights in its architecture's graph; remembers what calibration showed."""

    def __init__(
        self,
        filled: FilledGraph,
        calibration: NDArray[np.float32],
        sensitivity: Sequence[LayerSensitivity] = (),
    ) -> None:
        self._filled = filled
        self._losses = {each.layer: each.losses for each in sensitivity}
        self._images = calibration
        self._equalized: FilledGraph | None = None
        self._observed: dict[bool, Observed] = {}
        self._grids: dict[tuple[bool, str], dict[str, ActivationGrid]] = {}
        self._rounded: dict[tuple[Layout, Calibration], Rounded] = {}

    def write(self, scheme: Scheme, path: Path) -> None:
        """Write the artifact to `path`."""
        path.write_bytes(self.content(scheme).SerializeToString(deterministic=True))

    def learn(self, scheme: Scheme, memory: LayerMemory) -> None:
        """Choose the codes of `scheme`, or take them from `memory`; see LearnsCodes."""
        if scheme.layout.rounds_weights and scheme.calibration.looks_at_layers:
            self._learned(scheme.layout, scheme.calibration, memory)

    def sensitivity(self, images: NDArray[np.float32]) -> tuple[LayerSensitivity, ...]:
        """Return what each layer loses alone; see MeasuresLayers."""
        found = sensitivities(self._filled, WIDTHS, images)
        layers = self._filled.layers
        return tuple(
            LayerSensitivity(layers[node].layer.weight, (lost[8], lost[4], lost[3], lost[2]))
            for node, lost in found.items()
        )

    def content(self, scheme: Scheme) -> onnx.ModelProto:
        """Return what `write` writes."""
        layout, calibration = scheme.layout, scheme.calibration
        grids = self.grids(calibration) if layout.rounds_activations else {}
        made = Rounded(self.graph(calibration), {})
        if layout.rounds_weights:
            if calibration.looks_at_layers:
                made = self._learned(layout, calibration)
            else:
                fitted = calibration.observer == "mse"
                weights = nearest_weights(made.filled, self.forms(layout), grids, fitted=fitted)
                made = Rounded(made.filled, weights)
        return write_model(made.filled, layout, grids, made.weights)

    def _learned(
        self,
        layout: Layout,
        calibration: Calibration,
        memory: LayerMemory | None = None,
    ) -> Rounded:
        if (layout, calibration) in self._rounded:
            if memory is not None:
                keep_layers(self._rounded[layout, calibration], memory)
        else:
            grids = self.grids(calibration) if layout.rounds_activations else {}
            forms = self.forms(layout)
            self._rounded[layout, calibration] = rounded_layers(
                self.graph(calibration), forms, grids, self._images, calibration, memory
            )
        return self._rounded[layout, calibration]

    def forms(self, layout: Layout) -> Mapping[str, Form]:
        """Return what a layout asks of each layer's codes, by node."""
        layers = self._filled.layers
        match layout:
            case WeightOnly() | Static():
                return dict.fromkeys(layers, Form(layout.bits, layout.granularity))
            case BitsByLayer():
                names = {node: folded.layer.weight for node, folded in layers.items()}
                sizes = {names[node]: folded.weight.size for node, folded in layers.items()}
                bits = bits_of_layers(sizes, self._losses, layout.budget)
                return {node: Form(bits[name]) for node, name in names.items()}
            case _:
                raise DistilfrontError(f"nothing is known of the codes of the layout {layout.key}")

    def graph(self, calibration: Calibration) -> FilledGraph:
        """Return the float graph that is rounded."""
        if not calibration.equalized:
            return self._filled
        if self._equalized is None:
            self._equalized = equalized(self._filled, self._images)
        return self._equalized

    def grids(self, calibration: Calibration) -> dict[str, ActivationGrid]:
        """Return the activation grids by tensor name, calibrated when first asked for."""
        key = (calibration.equalized, calibration.observer)
        if key not in self._grids:
            filled = self.graph(calibration)
            owners = tensors_on_grids(filled.template.skeleton.graph)
            names = list(dict.fromkeys(owners.values()))
            if calibration.equalized not in self._observed:
                self._observed[calibration.equalized] = _observed(filled, names, self._images)
            ranges = self._observed[calibration.equalized].ranges(calibration.observer)
            grids = {name: activation_grid(ranges[name]) for name in names}
            self._grids[key] = {name: grids[owner] for name, owner in owners.items()}
        return self._grids[key]


def _observed(filled: FilledGraph, names: list[str], images: NDArray[np.float32]) -> Observed:
    """Return what the tensors `names` of a float graph are on `images` [n, 3, h, w]."""

    def values() -> Iterator[tuple[str, NDArray[np.float32]]]:
        # Opened anew each time: a writer that waits for its next scheme keeps no second copy.
        session = session_with_outputs(write_model(filled, Float32(), {}), names)
        return tensors_of(session, names, images)

    return Observed(values)
