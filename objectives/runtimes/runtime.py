"""The seam between the chain and what runs its artifacts."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spaces import Network, Scheme


class ArtifactWriter(Protocol):
    """One set of trained weights, ready to be written under any scheme."""

    def write(self, scheme: Scheme, path: Path) -> None:
        """Write the artifact; InputError when the runtime cannot write `scheme`.

        Equal weights and calibration images give equal bytes, and every set of weights of one
        architecture gives the same number of bytes.
        """
        ...


class Template(Protocol):
    """What an architecture's artifacts share, prepared once."""

    def writer(self, weights: Path, calibration: NDArray[np.float32]) -> ArtifactWriter:
        """Return the ArtifactWriter of the state dict in `weights`; see Runtime.writer."""
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

    def schemes(self) -> tuple[str, ...]:
        """Names of the schemes it can write."""
        ...

    def template(self, network: Network, classes: int, folder: Path) -> Template:
        """Return what can be prepared without weights, kept in `folder` and reused from there.

        Safe for several processes at once. Raises InputError when the network cannot be exported.
        """
        ...

    def writer(
        self, template: Template, weights: Path, calibration: NDArray[np.float32]
    ) -> ArtifactWriter:
        """Return the ArtifactWriter of the state dict in `weights` (safetensors or .pth).

        `calibration` [n, 3, h, w], normalised, gives static schemes their ranges; it is looked at
        when the first static scheme is written. Raises InputError when the weights are damaged or
        of another architecture.
        """
        ...

    def logits(
        self, artifact: Path, images: NDArray[np.float32], *, threads: int
    ) -> NDArray[np.float32]:
        """Return [n, classes] for `images` [n, 3, h, w], as one image at a time would get them."""
        ...
