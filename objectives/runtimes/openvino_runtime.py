"""OpenVINO: runs the files that onnxruntime's runtime writes; its latencies are its own.

It reads every layout but those of 7 to 5, 3 and 2 bits and those with scales of blocks: a function
in the file makes floats of their codes (onnx_functions), and OpenVINO 2026.4 takes none.

Every file is compiled for one image. Left open, the number of images costs 4 to 13 percent of
latency, and on one thread batches of a ResNet-20 are no faster.
"""

import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectives.runtimes.onnx_runtime import OnnxRuntime
from objectives.runtimes.runtime import ArtifactWriter, LayerMemory, LearnsCodes, Template
from spaces import (
    SCHEMES,
    BFloat16,
    DynamicLinear,
    Float16,
    Float32,
    InputError,
    LayerSensitivity,
    Layout,
    Scheme,
    Static,
    WeightOnly,
)

LAYOUTS: tuple[Layout, ...] = (
    Float32(),
    Float16(),
    BFloat16(),
    WeightOnly(8),
    WeightOnly(4),
    WeightOnly(4, "tensor"),
    Static(8),
    Static(4),
    Static(8, "tensor"),
    Static(4, "tensor"),
    DynamicLinear(),
    Float32(sparse=True),
    Float16(sparse=True),
    WeightOnly(8, sparse=True),
    WeightOnly(4, sparse=True),
    Static(8, sparse=True),
    Static(4, sparse=True),
)
"""Those that OpenVINO reads."""


class _Schemes(Collection[str]):
    """Names of the schemes of LAYOUTS; like SCHEMES it contains more than it lists."""

    def __contains__(self, name: object) -> bool:
        return name in SCHEMES and SCHEMES[str(name)].layout in LAYOUTS

    def __iter__(self) -> Iterator[str]:
        return (name for name in SCHEMES if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True)
class OpenvinoArtifactWriter:
    """What writes for onnxruntime, for the layouts that OpenVINO reads."""

    onnx: ArtifactWriter

    def learn(self, scheme: Scheme, memory: LayerMemory) -> None:
        """Choose the codes of `scheme`; see LearnsCodes."""
        if isinstance(self.onnx, LearnsCodes):
            self.onnx.learn(scheme, memory)

    def write(self, scheme: Scheme, path: Path) -> None:
        """Write the artifact to `path`; raises InputError for a layout that is not in LAYOUTS."""
        if scheme.layout not in LAYOUTS:
            names = ", ".join(_Schemes())
            raise InputError(f"openvino cannot write {scheme.name}: it can write {names}")
        self.onnx.write(scheme, path)


class OpenvinoRuntime(OnnxRuntime):
    """Writes `model.onnx` as OnnxRuntime does, and runs it itself."""

    name = "openvino"

    def __init__(self) -> None:
        if find_spec("openvino") is None:
            raise InputError(
                "runtime openvino is not installed: pip install 'distilfront[openvino]'"
            )

    def schemes(self) -> Collection[str]:
        """Names of the schemes it can write."""
        return _Schemes()

    def writer(
        self,
        template: Template,
        weights: Path,
        calibration: NDArray[np.float32],
        sensitivity: Sequence[LayerSensitivity] = (),
    ) -> ArtifactWriter:
        """Return the ArtifactWriter of `weights`; see Runtime.writer."""
        return OpenvinoArtifactWriter(super().writer(template, weights, calibration, sensitivity))

    def logits(
        self, artifact: Path, images: NDArray[np.float32], *, threads: int
    ) -> NDArray[np.float32]:
        """Return [n, classes] for `images` [n, 3, h, w], run one at a time."""
        request = _open_request(artifact, images.shape[1:], threads)
        starts = range(len(images))
        return np.concatenate([request.infer(images[at : at + 1])[0] for at in starts])


def _open_request(artifact: Path, image: tuple[int, ...], threads: int) -> Any:
    """Return what runs `artifact` on one image of the shape `image`.

    The settings are those that objectives.costs.device_profile times with.
    """
    # Its import sends usage data, and without this module it does not.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    core = openvino.Core()
    model = core.read_model(artifact)
    model.reshape([1, *image])
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",  # Processors with bfloat16 would compute in that.
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,  # Weight-only files would round activations too.
        "ENABLE_CPU_PINNING": False,  # Or all processes of one thread share one core.
    }
    return core.compile_model(model, "CPU", settings).create_infer_request()
