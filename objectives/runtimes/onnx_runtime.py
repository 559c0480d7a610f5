"""onnxruntime: artifacts are float graphs exported once per network and filled."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray

from objectives.models import initialised_model, load_weights, zeros_by_layer
from objectives.runtimes.onnx_constants import Array
from objectives.runtimes.onnx_export import export_template, randomise, template_key
from objectives.runtimes.onnx_layouts import rounded_nodes, write_model
from objectives.runtimes.onnx_pixels import take_pixels
from objectives.runtimes.onnx_session import open_session
from objectives.runtimes.onnx_template import GraphTemplate
from objectives.runtimes.onnx_writer import OnnxArtifactWriter
from objectives.runtimes.runtime import (
    ArtifactWriter,
    PixelInput,
    PixelKind,
    Template,
)
from objectives.sealed_folder import DamagedError
from spaces import (
    SCHEMES,
    DynamicLinear,
    Float32,
    InputError,
    LayerSensitivity,
    Layout,
    Network,
)

log = logging.getLogger(__name__)

_TOLERANCE = 1e-3
"""Relative to the largest logit: what rounding explains in a deep network, and no wrong weight."""
_BATCH = 32
"""Images a run, for layouts that do not depend on it."""
_PER_IMAGE = frozenset({DynamicLinear().key})
"""Layouts that do."""


@dataclass(frozen=True)
class OnnxTemplate:
    """An architecture's float graph, and the network it came from."""

    network: Network
    classes: int
    graph: GraphTemplate

    def writer(
        self,
        weights: Path,
        calibration: NDArray[np.float32],
        sensitivity: Sequence[LayerSensitivity] = (),
    ) -> "OnnxArtifactWriter":
        """Fold the batch norms of `weights` into the graph."""
        model = initialised_model(self.network, self.classes, seed=0)
        load_weights(model, weights, self.network.key)
        zeros = zeros_by_layer(model, self.network.pruned, self.network.image_size)
        filled = self.graph.fill(_arrays(model), zeros)
        return OnnxArtifactWriter(filled, calibration, sensitivity)

    def rounds(self, layout: Layout) -> bool:
        """Say whether a layout of integers makes them of any layer; see Template.rounds."""
        return bool(rounded_nodes(self.graph, layout))


class OnnxRuntime:
    """Writes and runs `model.onnx`; knows every scheme."""

    name = "onnxruntime"
    file_name = "model.onnx"
    pixel_kinds = get_args(PixelKind)

    def schemes(self) -> Collection[str]:
        """Names of the schemes it can write."""
        return SCHEMES

    def template(self, network: Network, classes: int, folder: Path) -> OnnxTemplate:
        """Return the network's graph, from `folder` or made anew.

        It is made of another width's graph, or one pruned otherwise, that `folder` has (in under a
        second), or else exported (in several). Raises InputError when the network cannot be
        exported, or when the exported graph does not compute what the network computes.
        """
        key = template_key(network, classes)
        path = folder / f"{key}.onnx"
        if path.is_file():
            try:
                return OnnxTemplate(network, classes, GraphTemplate.load(path))
            except DamagedError as error:
                log.warning("%s; it is made again", error)
        graph = _of_other_shapes(folder, key.partition("-")[0], network, classes)
        if graph is None:
            graph = export_template(
                initialised_model(network, classes, seed=0), network.image_size, network.key
            )
            _check(graph, network, classes)
        graph.save(path)
        return OnnxTemplate(network, classes, graph)

    def writer(
        self,
        template: Template,
        weights: Path,
        calibration: NDArray[np.float32],
        sensitivity: Sequence[LayerSensitivity] = (),
    ) -> ArtifactWriter:
        """Return the ArtifactWriter of `weights`; see Runtime.writer."""
        return template.writer(weights, calibration, sensitivity)

    def logits(
        self, artifact: Path, images: NDArray[np.float32], *, threads: int
    ) -> NDArray[np.float32]:
        """Return [n, classes] for `images` [n, 3, h, w].

        A dynamic layout takes its activations' ranges over a whole batch, so it is run on one
        image at a time, as it would be on the device.
        """
        session = open_session(artifact, threads)
        properties = session.get_modelmeta().custom_metadata_map
        batch = 1 if properties["layout"] in _PER_IMAGE else _BATCH
        image = session.get_inputs()[0].name
        starts = range(0, len(images), batch)
        runs = [session.run(None, {image: images[start : start + batch]})[0] for start in starts]
        logits: NDArray[np.float32] = np.concatenate(runs)
        return logits

    def take_pixels(self, artifact: Path, pixels: PixelInput) -> None:
        """Put the normalisation into the file; see onnx_pixels."""
        take_pixels(artifact, pixels)


def _arrays(model: torch.nn.Module) -> dict[str, Array]:
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def _of_other_shapes(
    folder: Path, family: str, network: Network, classes: int
) -> GraphTemplate | None:
    """Return a graph that `folder` has with other shapes, at these ones, where it is the network.

    It need not be: a MobileNetV2 adds a shortcut wherever rounding makes two widths equal.
    """
    state = _arrays(initialised_model(network, classes, seed=0))
    for path in sorted(folder.glob(f"{family}-*.onnx")):
        try:
            graph = GraphTemplate.load(path).resized(state)
            _check(graph, network, classes)
        except Exception:
            log.debug("%s does not hold the graph of %s", path, network.key, exc_info=True)
        else:
            return graph
    return None


def _check(graph: GraphTemplate, network: Network, classes: int) -> None:
    """Raise InputError unless the graph, with weights it was not exported with, is the network.

    It finds what a graph cannot be filled for: weights that the exporter changed or merged.
    """
    model = initialised_model(network, classes, seed=1).eval()
    randomise(model, seed=1)
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(3, 3, network.image_size, network.image_size, generator=generator)
    with torch.inference_mode():
        expected = model(images).numpy()
    try:
        content = write_model(graph.fill(_arrays(model)), Float32(), {}).SerializeToString()
        session = open_session(content, threads=1)
        got = session.run(None, {session.get_inputs()[0].name: images.numpy()})[0]
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(f"{network.key} cannot be filled: onnxruntime says {reason}") from error
    worst = float(np.abs(got - expected).max()) / max(float(np.abs(expected).max()), 1e-6)
    if not worst <= _TOLERANCE:
        raise InputError(
            f"{network.key} cannot be filled: its exported graph differs from the network by "
            f"{worst:.1e} of the largest logit, at most {_TOLERANCE:g} is allowed"
            + _not_followed(graph, model)
        )


def _not_followed(graph: GraphTemplate, model: torch.nn.Module) -> str:
    """Say which tensors of the network the graph is not filled with, "" where there are none."""
    state = model.state_dict()
    there = {state[name].data_ptr() for name in graph.weights() & state.keys()}
    names = [
        name
        for name, tensor in state.items()
        if tensor.is_floating_point() and tensor.data_ptr() not in there
    ]
    if not names:
        return ""
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"; the graph does not read {', '.join(names[:3])}{rest}, but perhaps a copy"
