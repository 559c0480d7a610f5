"""The tools that are compared, each with its settings: ours, onnxruntime's, NNCF's, torchao's."""

import dataclasses
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from benchmarks.low_bits.tool import Start, Tool, export
from spaces import scheme_named

BATCH = 32
"""Images a calibration step of torchao."""


@dataclass(frozen=True)
class Ours:
    """A scheme of this project."""

    tool: ClassVar[str] = "Distilfront"
    packages: ClassVar[tuple[str, ...]] = ()
    settings: str

    def load(self) -> None:
        """Nothing is left to import."""

    def write(self, start: Start, path: Path) -> None:
        """Fold batch norms, calibrate, and write."""
        start.writer().write(scheme_named(self.settings), path)


@dataclass(frozen=True)
class QuantizeStatic:
    """onnxruntime's quantize_static as its documentation has it for a CNN on x86 with VNNI.

    That is quant_pre_process first, QDQ, uint8 activations and int8 weights per channel. With 4-bit
    weights it writes convolutions that onnxruntime has no integer kernels for.
    """

    tool: ClassVar[str] = "onnxruntime quantize_static"
    packages: ClassVar[tuple[str, ...]] = ()
    calibration: Literal["MinMax", "Entropy", "Percentile"]
    weights: Literal["QInt8", "QInt4"] = "QInt8"

    @property
    def settings(self) -> str:
        """How activations get their ranges, and the type of weights."""
        return f"{self.calibration}, {self.weights} weights"

    def load(self) -> None:
        """Import the tool."""
        import onnxruntime.quantization.shape_inference  # noqa: F401

    def write(self, start: Start, path: Path) -> None:
        """Prepare the float file and quantize it; it is calibrated one image at a time."""
        from onnxruntime.quantization import (
            CalibrationDataReader,
            CalibrationMethod,
            QuantFormat,
            QuantType,
            quantize_static,
        )
        from onnxruntime.quantization.shape_inference import quant_pre_process

        class Images(CalibrationDataReader):  # type: ignore[misc]
            def __init__(self) -> None:
                self._images = iter(start.calibration)

            def get_next(self) -> dict[str, NDArray[np.float32]] | None:
                image = next(self._images, None)
                return None if image is None else {"image": image[None]}

        prepared = path.with_suffix(".prepared.onnx")
        quant_pre_process(start.float_file, prepared)
        quantize_static(
            prepared,
            path,
            Images(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType[self.weights],
            per_channel=True,
            calibrate_method=CalibrationMethod[self.calibration],
        )


class _Nncf:
    packages: ClassVar[tuple[str, ...]] = ("nncf",)

    def load(self) -> None:
        """Import NNCF, silent and without the module that sends usage data."""
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
        import nncf

        nncf.set_log_level(logging.ERROR)


@dataclass(frozen=True)
class NncfQuantize(_Nncf):
    """NNCF's quantize on the ONNX file, its preset and device as they come."""

    tool: ClassVar[str] = "NNCF quantize"
    fast_bias_correction: bool = True

    @property
    def settings(self) -> str:
        """Which bias correction."""
        return f"fast_bias_correction={self.fast_bias_correction}"

    def write(self, start: Start, path: Path) -> None:
        """Quantize the float file; all calibration images are used, one at a time."""
        import nncf

        images = nncf.Dataset(list(start.calibration), lambda image: {"image": image[None]})
        quantized = nncf.quantize(
            onnx.load(start.float_file),
            images,
            subset_size=len(start.calibration),
            fast_bias_correction=self.fast_bias_correction,
        )
        onnx.save(quantized, path)


@dataclass(frozen=True)
class NncfWeights(_Nncf):
    """NNCF's compress_weights on the ONNX file."""

    tool: ClassVar[str] = "NNCF compress_weights"
    settings: Literal["INT8_SYM", "INT4_SYM"]

    def write(self, start: Start, path: Path) -> None:
        """Compress the weights of the float file; no image is looked at."""
        import nncf

        four = {"group_size": -1, "all_layers": True} if self.settings == "INT4_SYM" else {}
        mode = nncf.CompressWeightsMode[self.settings]
        compressed = nncf.compress_weights(onnx.load(start.float_file), mode=mode, **four)
        onnx.save(compressed, path)


class _Pt2e:
    tool: ClassVar[str] = "torchao PT2E"

    def load(self) -> None:
        """Import the flow and its quantizer."""
        import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401

        self.quantizer()

    def quantizer(self) -> Any:
        """Return what says which tensors are quantized, and how."""
        raise NotImplementedError

    def write(self, start: Start, path: Path) -> None:
        """Export the network, quantize the program and export that to ONNX."""
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        images = torch.from_numpy(start.calibration)
        shapes = ({0: torch.export.Dim("batch", min=1)},)
        # Strict: otherwise X86InductorQuantizer takes all additions of a residual network for one.
        program = torch.export.export(
            start.network, (torch.zeros_like(images[:2]),), dynamic_shapes=shapes, strict=True
        )
        prepared = prepare_pt2e(program.module(), self.quantizer())
        with torch.no_grad():
            for some in torch.split(images, BATCH):
                prepared(some)
        export(convert_pt2e(prepared), images.shape[-1], path)


@dataclass(frozen=True)
class Pt2eX86(_Pt2e):
    """With the quantizer that torchao has for x86."""

    packages: ClassVar[tuple[str, ...]] = ()
    settings: str = "X86InductorQuantizer"

    def quantizer(self) -> Any:
        """Return it with its default configuration."""
        from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

        return x86.X86InductorQuantizer().set_global(
            x86.get_default_x86_inductor_quantization_config()
        )


@dataclass(frozen=True)
class Pt2eXnnpack(_Pt2e):
    """With executorch's quantizer: weights per channel, activations int8 as it has them or uint8.

    onnxruntime has its fast kernels on x86 for uint8 ones.
    """

    packages: ClassVar[tuple[str, ...]] = ("executorch",)
    unsigned: bool

    @property
    def settings(self) -> str:
        """Which activations."""
        return f"XNNPACKQuantizer, {'uint8' if self.unsigned else 'int8'} activations"

    def quantizer(self) -> Any:
        """Return it with its symmetric configuration."""
        from executorch.backends.xnnpack.quantizer import xnnpack_quantizer as xnnpack

        given = xnnpack.get_symmetric_quantization_config(is_per_channel=True)
        if self.unsigned:
            spec = dataclasses.replace(
                given.input_activation, dtype=torch.uint8, quant_min=0, quant_max=255
            )
            given = dataclasses.replace(given, input_activation=spec, output_activation=spec)
        return xnnpack.XNNPACKQuantizer().set_global(given)


def tools() -> Iterator[Tool]:
    """Yield the rows of the table, the float file's left out."""
    yield Ours("fp32")
    yield Ours("int8_static")
    yield Ours("int8_static+mse")
    yield Ours("int8_static+refined+bias_corrected")
    yield QuantizeStatic("MinMax")
    yield QuantizeStatic("Entropy")
    yield QuantizeStatic("Percentile")
    yield NncfQuantize()
    yield NncfQuantize(fast_bias_correction=False)
    yield Pt2eX86()
    yield Pt2eXnnpack(unsigned=False)
    yield Pt2eXnnpack(unsigned=True)
    yield Ours("w4a8+refined+bias_corrected")
    yield Ours("int4_weight_only+refined")
    yield QuantizeStatic("MinMax", "QInt4")
    yield NncfWeights("INT8_SYM")
    yield NncfWeights("INT4_SYM")
