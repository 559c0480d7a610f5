"""The seam between the chain and what runs its artifacts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from spaces import LayerSensitivity, Layout, Network, Scheme

PixelKind = Literal["uint8", "float"]
"""Pixels from 0 to 255, or from 0 to 1."""


@dataclass(frozen=True)
class PixelInput:
    """How an artifact that normalises images itself gets them, and what its answer means."""

    kind: PixelKind
    mean: tuple[float, float, float]
    """By channel, of pixels in [0, 1]; like the next."""
    std: tuple[float, float, float]
    classes: tuple[str, ...]
    """Names, by place in the logits."""
    image_size: int
    """Of a side, in pixels."""


class ArtifactWriter(Protocol):
    """One set of trained weights, ready to be written under any scheme."""

    def write(self, scheme: Scheme, path: Path) -> None:
        """Write the artifact; InputError when the runtime cannot write `scheme`.

        Equal weights and calibration images give equal bytes, and every set of weights of one
        architecture gives the same number of bytes.
        """
        ...


class LayerMemory(Protocol):
    """Where a writer keeps what takes long, layer by layer, for whoever goes on with it."""

    @property
    def complete(self) -> bool:
        """Whether every layer is there."""
        ...

    def recall(self) -> Mapping[str, Mapping[str, NDArray[np.generic]]]:
        """Return what is kept: of each layer arrays by name."""
        ...

    def keep(self, layer: str, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Keep what a layer became."""
        ...


@runtime_checkable
class LearnsCodes(Protocol):
    """An ArtifactWriter that can choose codes of weights by what layers give."""

    def learn(self, scheme: Scheme, memory: LayerMemory) -> None:
        """Choose those of `scheme`, or take them from `memory`; `write` has them from then on."""
        ...


@runtime_checkable
class MeasuresLayers(Protocol):
    """An ArtifactWriter that can tell what each layer loses alone."""

    def sensitivity(self, images: NDArray[np.float32]) -> Sequence[LayerSensitivity]:
        """Return it in graph order, measured on `images` [n, 3, h, w], normalised."""
        ...


class Template(Protocol):
    """What an architecture's artifacts share, prepared once."""

    def writer(
        self,
        weights: Path,
        calibration: NDArray[np.float32],
        sensitivity: Sequence[LayerSensitivity] = (),
    ) -> ArtifactWriter:
        """Return the ArtifactWriter of the state dict in `weights`; see Runtime.writer."""
        ...

    def rounds(self, layout: Layout) -> bool:
        """Say whether a layout of integers makes them of any layer of the network."""
        ...


class Runtime(Protocol):
    """Writes artifacts and runs them on the CPU."""

    @property
    def name(self) -> str:
        """As spaces.StudySetup.runtime has it."""
        ...

    @property
    def file_name(self) -> str:
        """What an artifact is called when it is shipped: `model.onnx`."""
        ...

    @property
    def pixel_kinds(self) -> tuple[str, ...]:
        """Kinds of pixels that `take_pixels` knows; none where it cannot be done."""
        ...

    def schemes(self) -> Collection[str]:
        """Names of the schemes it can write; it may contain more than it lists, as SCHEMES does."""
        ...

    def template(self, network: Network, classes: int, folder: Path) -> Template:
        """Return what can be prepared without weights, kept in `folder` and reused from there.

        Safe for several processes at once. Raises InputError when the network cannot be exported.
        """
        ...

    def writer(
        self,
        template: Template,
        weights: Path,
        calibration: NDArray[np.float32],
        sensitivity: Sequence[LayerSensitivity] = (),
    ) -> ArtifactWriter:
        """Return the ArtifactWriter of the state dict in `weights` (safetensors or .pth).

        `calibration` [n, 3, h, w], normalised, gives static schemes their ranges; it is looked at
        when the first static scheme is written. `sensitivity` decides bits by layer. Raises
        InputError when the weights are damaged or of another architecture.
        """
        ...

    def logits(
        self, artifact: Path, images: NDArray[np.float32], *, threads: int
    ) -> NDArray[np.float32]:
        """Return [n, classes] for `images` [n, 3, h, w], as one image at a time would get them."""
        ...

    def take_pixels(self, artifact: Path, pixels: PixelInput) -> None:
        """Rewrite an artifact so that it normalises images itself.

        Raises InputError where the runtime has no way to.
        """
        ...
