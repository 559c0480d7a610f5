"""The table of our artifacts beside other tools': rows, and what becomes of tools that fail."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import pytest
import torch

from benchmarks.low_bits import peers
from benchmarks.low_bits.peer_tools import (
    NncfQuantize,
    NncfWeights,
    Ours,
    Pt2eX86,
    QuantizeStatic,
    tools,
)
from benchmarks.low_bits.tool import export, missing, quiet

STUDY = """
name = "tiny"
[data]
name = "digits"
image_size = 8
validation_limit = 60
test_limit = 100
[teacher]
architecture = "resnet8x4"
width = 0.25
image_size = 8
[teacher.training]
epochs = 2
learning_rate = 0.02
batch_size = 32
"""


@dataclass(frozen=True)
class Absent(Ours):
    """A tool that nobody can have installed."""

    tool: ClassVar[str] = "absent"
    packages: ClassVar[tuple[str, ...]] = ("no_such_package",)


@dataclass(frozen=True)
class Broken(Ours):
    """A tool that raises, as tools do."""

    tool: ClassVar[str] = "broken"

    def write(self, start, path):  # noqa: ARG002
        raise ValueError("a | in\nits words")


@dataclass(frozen=True)
class Refused(Ours):
    """A tool whose file onnxruntime cannot load."""

    tool: ClassVar[str] = "refused"

    def write(self, start, path):  # noqa: ARG002
        path.write_bytes(b"no model")


TOOLS = (
    Ours("fp32"),
    Ours("int8_static"),
    QuantizeStatic("MinMax"),
    NncfQuantize(),
    NncfWeights("INT8_SYM"),
    Pt2eX86(),
    Absent("x"),
    Broken("x"),
    Refused("x"),
)


def test_a_row_has_all_numbers_or_a_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, journal = tmp_path / "tiny.toml", tmp_path / "journal.jsonl"
    file.write_text(STUDY)
    monkeypatch.setattr(peers, "tools", lambda: TOOLS)
    given = [str(file), str(journal), "--calls", "10", "--processes", "1"]
    monkeypatch.setattr(sys, "argv", ["peers", *given])
    peers.main()
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    names = [("torch.onnx.export", "fp32"), *((tool.tool, tool.settings) for tool in TOOLS)]
    assert [(line["tool"], line["settings"]) for line in lines] == names
    by_name = dict(zip(names, lines, strict=True))
    numbers = (
        "accuracy",
        "accuracy_error",
        "images",
        "bytes",
        "latency_ms",
        "float_latency_ms",
        "seconds",
    )
    for line in lines:
        assert all((line[number] is None) == bool(line["reason"]) for number in numbers)
    exported, float32, int8, static = lines[:4]
    assert exported["accuracy"] == float32["accuracy"] > 50
    assert exported["accuracy_error"] == float32["accuracy_error"] == 0
    assert int8["images"] == 100
    assert int8["bytes"] < float32["bytes"] / 2
    assert not static["reason"]
    assert abs(static["accuracy"] - exported["accuracy"]) <= 10
    assert not by_name["torchao PT2E", "X86InductorQuantizer"]["reason"]
    for tool in TOOLS[3:5]:
        words = by_name[tool.tool, tool.settings]["reason"]
        assert words.startswith("not installed: nncf") == bool(missing(("nncf",)))
    assert by_name["absent", "x"]["reason"] == "not installed: no_such_package"
    assert by_name["broken", "x"]["reason"] == "fails: a / in its words"
    assert by_name["refused", "x"]["reason"].startswith("onnxruntime refuses the file: ")
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(lines) + 2
    assert {line.count("|") for line in printed} == {7}


def test_an_exported_file_computes_what_the_network_does_and_tells_no_sources(
    tmp_path: Path,
) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten()).eval()
    images = torch.randn(5, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    path = tmp_path / "model.onnx"
    with quiet():
        export(network, 6, path)
    got = peers.logits(path, images.numpy(), batch=2)
    assert np.allclose(got, network(images).detach().numpy(), atol=1e-5)
    assert __file__.encode() not in path.read_bytes()
    assert not any(node.metadata_props or node.doc_string for node in onnx.load(path).graph.node)


def test_rows_have_names_of_their_own() -> None:
    names = [(tool.tool, tool.settings) for tool in tools()]
    assert len(set(names)) == len(names)


def test_what_lies_behind_reasons_is_empty_in_the_table() -> None:
    row = peers.Row("n", "tool", "s", 91.234, 0.05, 10, 12345, 0.5, 1.0, 2.06)
    lines = peers.markdown([row, replace(row, accuracy=None, reason="fails: so")]).splitlines()
    assert lines[2] == "| tool | `s` | 91.23 ± 0.05 | 12,345 | 0.50 | 2.1 |"
    assert lines[3] == "| tool | `s` | fails: so |  |  |  |"
