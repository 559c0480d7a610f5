"""What a point's file does layer by layer, beside fp32: plain numbers, for a report."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class BeforeAfter:
    """A figure of the fp32 file and of the point's."""

    before: float
    after: float

    @property
    def more(self) -> float:
        """By how much it is more after."""
        return self.after - self.before


@dataclass(frozen=True)
class Loss:
    """What the network loses when one layer alone is rounded as in the point's file."""

    kl_nats: float
    """Mean KL(float || rounded) of an image."""
    accuracy: float
    """Accuracy before minus accuracy after, on the same images."""


@dataclass(frozen=True)
class LayerFigures:
    """One layer before and after."""

    name: str
    """That of its weight in the state dict."""
    operator: str
    """`Conv` or `Gemm`."""
    us: BeforeAfter
    """Of an image, by onnxruntime's profiler less what profiling adds, as of other kernels."""
    bytes: BeforeAfter
    """Of its weight and bias, scales included."""
    runs_in: Literal["integers", "floats", "unknown"]
    """What its kernel in the point's file multiplies; unknown where no kernel is its own."""
    why_floats: str
    """Empty where it runs in integers."""
    loss: Loss | None
    """None where the file does not round it."""


@dataclass(frozen=True)
class OperatorFigures:
    """What kernels that belong to no layer take, by operator."""

    name: str
    kernels: BeforeAfter
    """Their number."""
    us: BeforeAfter


@dataclass(frozen=True)
class TensorHistogram:
    """What a tensor is on calibration images, and the range that the file's integers cover."""

    name: str
    """`into` the layer that reads it, `after` the one that gives it, or its name in the graph."""
    low: float
    """Smallest value seen."""
    high: float
    """Largest value seen."""
    kept_low: float
    """Smallest value that the integers stand for."""
    kept_high: float
    """Largest value that they stand for."""
    counts: tuple[int, ...]
    """Of values in bins of equal width from `low` to `high`."""
    cut: float
    """Share of values beyond what the integers stand for."""


@dataclass(frozen=True)
class LayersOfPoint:
    """A point's file, layer by layer."""

    trial: int
    scheme: str
    layers: tuple[LayerFigures, ...]
    """In graph order."""
    others: tuple[OperatorFigures, ...]
    us: BeforeAfter
    """Of a whole call, without the profiler."""
    other_bytes: BeforeAfter
    """Of tensors that belong to no layer."""
    graph_bytes: BeforeAfter
    """Of everything in the file that is no tensor."""
    images: int
    """Of the validation split, on which losses were found."""
    histograms: tuple[TensorHistogram, ...]
    """Empty where the file does not round activations."""
    calibration_images: int
    machine: str
    """What the times were taken on, and by which onnxruntime."""

    @property
    def between_us(self) -> BeforeAfter:
        """What a call takes beside its kernels."""
        parts = [*(each.us for each in self.layers), *(each.us for each in self.others)]
        return BeforeAfter(
            self.us.before - sum(part.before for part in parts),
            self.us.after - sum(part.after for part in parts),
        )

    @property
    def size_bytes(self) -> BeforeAfter:
        """Of the whole file."""
        parts = [*(each.bytes for each in self.layers), self.other_bytes, self.graph_bytes]
        return BeforeAfter(sum(part.before for part in parts), sum(part.after for part in parts))
