"""What a tool that quantizes is given here, and how its files are made alike."""

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from objectives.runtimes import ArtifactWriter

OPSET = 21


@dataclass(frozen=True)
class Start:
    """What every tool is given: the same weights and the same calibration images."""

    network: nn.Module
    float_file: Path
    """The network as torch exports it, for the tools that start from ONNX."""
    calibration: NDArray[np.float32]
    """[n, 3, h, w], normalised."""
    writer: Callable[[], ArtifactWriter]
    """Makes a writer of ours that remembers nothing of another scheme."""


class Tool(Protocol):
    """One tool with its settings: a row of the table."""

    tool: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    """What it imports beside what the project always has."""

    @property
    def settings(self) -> str:
        """What tells this row from the tool's others."""
        ...

    def load(self) -> None:
        """Import what it needs, so that no clock counts it."""
        ...

    def write(self, start: Start, path: Path) -> None:
        """Make the file."""
        ...


def missing(packages: Iterable[str]) -> list[str]:
    """Return those that are not installed."""
    return [name for name in packages if find_spec(name) is None]


def export(network: nn.Module, image_size: int, path: Path) -> None:
    """Export a network by torch's exporter, any number of images a batch."""
    program = torch.onnx.export(
        network,
        (torch.zeros(2, 3, image_size, image_size),),
        dynamo=True,
        verbose=False,
        opset_version=OPSET,
        input_names=["image"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
    )
    assert program is not None
    program.save(path)
    strip(path)


def strip(path: Path) -> None:
    """Take out of a file what torch's exporter tells of sources: up to a tenth of its bytes."""
    model = onnx.load(path)
    graph = model.graph
    parts = (graph.node, graph.value_info, graph.initializer, graph.input, graph.output)
    for part in (model, graph, *(each for parts_of in parts for each in parts_of)):
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.save(model, path)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what tools say of themselves out of standard output, and their warnings away."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        yield
