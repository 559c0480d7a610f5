"""The artifacts of trained networks: written by the study's runtime, weighed and run."""

import gzip
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from objectives.data import Data
from objectives.runtimes import ArtifactWriter, Runtime, Template
from spaces import LayerSensitivity, Network, Scheme

TEMPLATES = "templates"
"""Folder of the cache in which a runtime keeps what it prepares of a network."""


@dataclass(frozen=True)
class RunArtifact:
    """What an artifact weighs, and what it says of a split's images."""

    size_bytes: int
    logits: NDArray[np.float32]
    """[n, classes]."""
    compressed_bytes: int | None
    """By gzip, where weights of the network are zero by pruning: those cost hardly anything."""


class Artifacts:
    """Writes and runs artifacts; the last weights stay folded and calibrated."""

    def __init__(
        self,
        runtime: Runtime,
        data: Data,
        templates_dir: Path,
        threads: int,
        sensitivity: Sequence[LayerSensitivity] = (),
    ) -> None:
        self.runtime = runtime
        self._data = data
        self._templates_dir = templates_dir
        self._threads = threads
        self._sensitivity = sensitivity
        self._templates: dict[str, Template] = {}
        self._writer: tuple[Path, ArtifactWriter] | None = None
        self._images: dict[tuple[str, int], NDArray[np.float32]] = {}

    def template(self, network: Network) -> Template:
        """Return the network's template, exported when the cache folder has none."""
        if network.key not in self._templates:
            self._templates[network.key] = self.runtime.template(
                network, self._data.classes, self._templates_dir
            )
        return self._templates[network.key]

    def run(
        self,
        weights: Path,
        network: Network,
        scheme: Scheme,
        split: Literal["validation", "test"],
        keep: Path | None = None,
    ) -> RunArtifact:
        """Write the artifact of `weights` under `scheme` and run it on a split's images.

        It stays at `keep` when that is given.
        """
        writer = self.writer(weights, network)
        with tempfile.TemporaryDirectory(prefix="distilfront-") as folder:
            artifact = Path(folder) / self.runtime.file_name
            writer.write(scheme, artifact)
            weight = artifact.stat().st_size
            images = self._images_of(split, network.image_size)
            logits = self.runtime.logits(artifact, images, threads=self._threads)
            packed = None
            if network.pruned.weights:
                packed = len(gzip.compress(artifact.read_bytes(), 9))
            if keep is not None:
                put_in_place(artifact, keep)
        return RunArtifact(weight, logits, packed)

    def writer(self, weights: Path, network: Network) -> ArtifactWriter:
        """Return what writes the artifacts of `weights`."""
        if self._writer is None or self._writer[0] != weights:
            template = self.template(network)
            calibration = self._data.calibration(network.image_size)
            writer = self.runtime.writer(template, weights, calibration, self._sensitivity)
            self._writer = (weights, writer)
        return self._writer[1]

    def _images_of(
        self, split: Literal["validation", "test"], image_size: int
    ) -> NDArray[np.float32]:
        if (split, image_size) not in self._images:
            self._images[split, image_size] = self._data.images(split, image_size)
        return self._images[split, image_size]


def put_in_place(file: Path, keep: Path) -> None:
    """Put a copy of `file` in place whole: the rename is within one folder."""
    keep.parent.mkdir(parents=True, exist_ok=True)
    aside = keep.with_name(f".{keep.name}.{os.getpid()}")
    shutil.copyfile(file, aside)
    aside.replace(keep)
