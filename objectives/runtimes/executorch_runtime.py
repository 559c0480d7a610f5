"""ExecuTorch: artifacts are programs lowered to XNNPACK, anew for every set of weights.

Lowering takes 10 to 40 seconds and nothing of it can be shared between weights. It writes fp32,
int8_static (int8 activations, XNNPACK's own, per-channel weights) and int8_dynamic (linear layers);
XNNPACK has no kernels for weight-only convolutions and none for 4-bit ones.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.export import ExportedProgram

from objectives.models import initialised_model, load_weights
from objectives.runtimes.runtime import ArtifactWriter, PixelInput, Template
from spaces import (
    DistilfrontError,
    DynamicLinear,
    Float32,
    InputError,
    LayerSensitivity,
    Layout,
    Network,
    Scheme,
    Static,
)

_SCHEMES = ("fp32", "int8_static", "int8_dynamic")
_BATCH = 32
"""Images a calibration step."""


@dataclass(frozen=True)
class ExecutorchTemplate:
    """An architecture by name: there is nothing to prepare."""

    network: Network
    classes: int

    def writer(
        self,
        weights: Path,
        calibration: NDArray[np.float32],
        sensitivity: Sequence[LayerSensitivity] = (),  # noqa: ARG002 - it has no bits by layer
    ) -> "ExecutorchArtifactWriter":
        """Return what lowers the network with `weights`."""
        model = initialised_model(self.network, self.classes, seed=0)
        load_weights(model, weights, self.network.key)
        return ExecutorchArtifactWriter(
            model.eval(), torch.from_numpy(calibration), self.network.image_size
        )

    def rounds(self, layout: Layout) -> bool:
        """Say whether a layout of integers makes them of any layer; see Template.rounds.

        Of a static one it is taken on trust where any weight has two dimensions or more: a network
        may convolve without a module that says so.
        """
        model = initialised_model(self.network, self.classes, seed=0)
        if isinstance(layout, DynamicLinear):
            return any(isinstance(module, nn.Linear) for module in model.modules())
        return isinstance(layout, Static) and any(one.dim() > 1 for one in model.parameters())


class ExecutorchArtifactWriter:
    """One set of weights."""

    def __init__(self, model: nn.Module, calibration: torch.Tensor, image_size: int) -> None:
        self._model = model
        self._calibration = calibration
        self._image = torch.zeros(1, 3, image_size, image_size)

    def write(self, scheme: Scheme, path: Path) -> None:
        """Write the program to `path`; raises InputError for a scheme that XNNPACK cannot run."""
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # torch and executorch on each other's deprecations
            path.write_bytes(_lowered(self.program(scheme)))

    def program(self, scheme: Scheme) -> ExportedProgram:
        """Return what is lowered: the network, quantized by PT2E where `scheme` says so."""
        layout = scheme.layout
        if scheme.name not in _SCHEMES:
            raise InputError(
                f"executorch cannot write {scheme.name}: it can write {', '.join(_SCHEMES)}"
            )
        if isinstance(layout, Float32):
            return torch.export.export(self._model, (self._image,))
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
            XNNPACKQuantizer,
            get_symmetric_quantization_config,
        )

        quantizer = XNNPACKQuantizer()
        match layout:
            case Static(bits=8):
                quantizer.set_global(get_symmetric_quantization_config(is_per_channel=True))
            case DynamicLinear():
                dynamic = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=True)
                quantizer.set_module_type(nn.Linear, dynamic)
            case _:
                raise DistilfrontError(f"executorch has no way to write the layout {layout.key}")
        return torch.export.export(self._quantized(quantizer), (self._image,))

    def _quantized(self, quantizer: Any) -> nn.Module:
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        batch = torch.export.Dim("batch", min=1)
        two = self._image.expand(2, -1, -1, -1)
        exported = torch.export.export(self._model, (two,), dynamic_shapes=({0: batch},))
        prepared = prepare_pt2e(exported.module(), quantizer)
        for images in torch.split(self._calibration, _BATCH):
            prepared(images)
        converted: nn.Module = convert_pt2e(prepared)
        return converted


class ExecutorchRuntime:
    """Writes and runs `model.pte`."""

    name = "executorch"
    file_name = "model.pte"
    pixel_kinds: tuple[str, ...] = ()
    """None: a lowered program cannot be rewritten."""

    def __init__(self) -> None:
        if find_spec("executorch") is None:
            raise InputError(
                "runtime executorch is not installed: pip install 'distilfront[executorch]'"
            )

    def schemes(self) -> tuple[str, ...]:
        """Names of the schemes it can write."""
        return _SCHEMES

    def template(
        self,
        network: Network,
        classes: int,
        folder: Path,  # noqa: ARG002  (nothing is kept)
    ) -> ExecutorchTemplate:
        """Return the architecture; see the module's docstring."""
        return ExecutorchTemplate(network, classes)

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
        """Return [n, classes] for `images` [n, 3, h, w]; the program takes one at a time."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This API is experimental")
            from executorch.extension.pybindings import portable_lib

            if portable_lib._threadpool_get_thread_count() != threads:  # noqa: SLF001
                portable_lib._unsafe_reset_threadpool(threads)  # noqa: SLF001  (the only way)
            module = portable_lib._load_for_executorch(str(artifact))  # noqa: SLF001
            logits = [
                module.forward([torch.from_numpy(images[at : at + 1])])[0].numpy().copy()
                for at in range(len(images))
            ]
        return np.concatenate(logits)

    def take_pixels(self, artifact: Path, pixels: PixelInput) -> None:  # noqa: ARG002
        """Raise InputError; see `pixel_kinds`."""
        raise InputError("an executorch program takes normalised images")


def _lowered(program: ExportedProgram) -> bytes:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    lowered: bytes = edge.to_executorch().buffer
    return lowered
