"""Costs: timed in fresh processes here, or by a bundle elsewhere, and read back with suspicion."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from objectives.costs.bundle import read_costs, write_bundle
from objectives.costs.devices import device_fingerprint, difference
from objectives.costs.measurement import Candidate, flops_and_parameters, measure_costs
from objectives.costs.table import Cost, CostTable, with_levels
from objectives.models import initialised_model
from objectives.runtimes.onnx_runtime import OnnxRuntime
from spaces import DistilfrontError, InputError, Network, scheme_named
from tests.objectives.networks import CLASSES, RESNET20, images, weights_file

SCHEMES = ("fp32", "int4_weight_only", "int8_static")


@pytest.fixture(scope="module")
def candidates(templates: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Candidate]:
    folder = tmp_path_factory.mktemp("artifacts")
    template = OnnxRuntime().template(RESNET20, CLASSES, templates)
    writer = template.writer(weights_file(RESNET20, 1, folder), images(16, 1))
    made = []
    for scheme in map(scheme_named, SCHEMES):
        path = folder / f"{scheme.name}.onnx"
        writer.write(scheme, path)
        layout = scheme.layout.key
        made.append(Candidate(RESNET20, layout, path, flops=41_000_000, parameters=270_000))
    return made


@pytest.fixture
def answer() -> dict[str, Any]:
    """What profile.py writes, by hand."""
    timings = {"fp32": (2.0, 2.2, 2.1), "w8a8": (1.0, 1.01, 1.4)}
    return {
        "format": 2,
        "runtime": "onnxruntime",
        "teacher": "net@1",
        "processes": 3,
        "calls": 200,
        "warmup": 20,
        "threads": 1,
        "device": {"processor": "small"},
        "artifacts": [
            {
                "network": "net@1",
                "layout": layout,
                "image_size": 32,
                "flops": 10,
                "parameters": 5,
                "size_bytes": 100,
                "timings": [{"median_ms": ms, "p95_ms": 2 * ms} for ms in medians],
            }
            for layout, medians in timings.items()
        ],
    }


def test_measured_costs_weigh_and_order_the_artifacts(candidates: list[Candidate]):
    told: list[str] = []
    table = measure_costs(
        candidates,
        RESNET20.key,
        "onnxruntime",
        processes=2,
        calls=40,
        on_progress=told.append,
    )
    for candidate, scheme in zip(candidates, SCHEMES, strict=True):
        cost = table.of(RESNET20.key, scheme)
        assert cost.layout == candidate.layout
        assert cost.size_bytes == candidate.path.stat().st_size
        assert 0 < cost.median_ms <= cost.p95_ms
        assert cost.flops == candidate.flops
    assert (table.processes, table.calls, table.threads, table.imported) == (2, 40, 1, False)
    assert table.device == device_fingerprint()
    assert told[0].startswith("timing 3 artifacts: process 1 of 2")


def test_artifact_that_cannot_be_loaded_is_one_line(candidates: list[Candidate], tmp_path: Path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(DistilfrontError, match=r"could not be measured: .*broken\.onnx") as caught:
        measure_costs(
            [*candidates, replace(candidates[0], layout="fp16", path=broken)],
            RESNET20.key,
            "onnxruntime",
            processes=1,
            calls=10,
        )
    assert "\n" not in str(caught.value)


def test_bundle_runs_without_the_project_and_is_read_back(
    candidates: list[Candidate], tmp_path: Path
):
    bundle = tmp_path / "bundle"
    write_bundle(
        bundle,
        candidates,
        RESNET20.key,
        "onnxruntime",
        study="digits",
        processes=1,
        calls=20,
    )
    # -S -I would hide NumPy too: the project is hidden by running elsewhere, where importing fails.
    blocker = tmp_path / "blocked"
    for name in ("spaces", "objectives", "torch", "pydantic"):
        (blocker / name).mkdir(parents=True)
        (blocker / name / "__init__.py").write_text("raise ImportError('not on the device')")
    subprocess.run(
        [sys.executable, "profile.py"],
        cwd=bundle,
        env={**os.environ, "PYTHONPATH": str(blocker)},
        check=True,
        capture_output=True,
    )
    table = read_costs(bundle / "costs.json", [(RESNET20, one.layout) for one in candidates])
    assert table.imported
    assert table.of(RESNET20.key, "fp32").size_bytes == candidates[0].path.stat().st_size
    assert "--study digits --costs costs.json" in (bundle / "README.md").read_text()
    with pytest.raises(InputError, match="not empty"):
        write_bundle(bundle, candidates, "x", "onnxruntime", study="x")
    with pytest.raises(InputError, match="lack fp16 of resnet18@1"):
        read_costs(bundle / "costs.json", [(Network("resnet18"), "fp16")])


def test_costs_by_hand(answer: dict[str, Any], tmp_path: Path):
    (tmp_path / "costs.json").write_text(json.dumps(answer))
    table = read_costs(tmp_path / "costs.json")
    slow, quick = table.of("net@1", "fp32"), table.of("net@1", "int8_static")
    assert (slow.median_ms, slow.p95_ms, slow.latency_ms) == (2.1, 4.2, 2.1)
    assert slow.repeatability == pytest.approx(0.1 / 2.1)
    assert quick.median_ms == 1.01
    assert quick.repeatability == pytest.approx(0.39 / 1.01)


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        (("format",), 1, "format"),
        (("format",), 3, "format"),
        (("artifacts", 0, "image_size"), 0, "image_size"),
        (("image_size",), 32, "image_size"),
        (("artifacts",), [], "artifacts"),
        (("artifacts", 0, "timings", 0, "median_ms"), float("nan"), "median_ms"),
        (("artifacts", 0, "timings", 0, "p95_ms"), 0.0, "p95_ms"),
        (("artifacts", 0, "size_bytes"), -1, "size_bytes"),
        (("artifacts", 0, "timings"), [{"median_ms": 1.0, "p95_ms": 1.0}], "timed in 1 processes"),
        (("artifacts", 0, "layout"), "w8a8", "more than one w8a8 of net@1"),
        (("teacher",), "other@1", "lack the teacher"),
        (("surprise",), 1, "surprise"),
    ],
)
def test_damaged_answers_are_refused(
    where: tuple[str | int, ...], value: object, words: str, answer: dict[str, Any], tmp_path: Path
):
    target: Any = answer
    for key in where[:-1]:
        target = target[key]
    target[where[-1]] = value
    (tmp_path / "costs.json").write_text(json.dumps(answer))
    with pytest.raises(InputError, match=words) as caught:
        read_costs(tmp_path / "costs.json")
    assert "\n" not in str(caught.value)


def test_missing_or_foreign_file_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="cannot be read"):
        read_costs(tmp_path / "none.json")
    (tmp_path / "text.json").write_text("hello")
    with pytest.raises(InputError, match="not what a bundle"):
        read_costs(tmp_path / "text.json")


def cost(name: str, median_ms: float, repeatability: float = 0.0) -> Cost:
    return Cost(name, "fp32", 1, median_ms, median_ms, repeatability, median_ms, 1, 1)


def test_levels_join_what_cannot_be_told_apart():
    costs = [cost("a", 1.0), cost("b", 1.02), cost("c", 1.2), cost("d", 1.5, 0.3), cost("e", 2.0)]
    levels = {c.network: c.latency_ms for c in with_levels(costs, 0.03)}
    assert levels["a"] == levels["b"]
    assert levels["c"] == levels["d"]  # d may be 0.3 off
    assert len(set(levels.values())) == 3
    # No level overlaps the next, so "no slower" is transitive.
    ordered = [levels[name] for name in "abcde"]
    assert ordered == sorted(ordered)


def test_flops_and_parameters_by_hand():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )
    flops, parameters = flops_and_parameters(model, 16)
    assert parameters == 3 * 8 * 9 + 8 * 10 + 10
    assert flops == pytest.approx(16 * 16 * 3 * 8 * 9 + 8 * 10, rel=0.05)
    assert model.training


def test_flops_of_a_known_network():
    flops, _ = flops_and_parameters(initialised_model(Network("resnet18"), 1000, 0), 224)
    assert flops == pytest.approx(1.82e9, rel=0.01)


def test_difference_names_what_changed():
    assert difference({"cores": "2", "processor": "a"}, {"cores": "2", "processor": "b"}) == [
        "processor was a, is b"
    ]
    assert difference(device_fingerprint(), device_fingerprint()) == []


def test_cost_that_is_missing_lists_what_is_there():
    table = CostTable((cost("a", 1.0),), "a", "onnxruntime", {}, 1, 1, 1)
    with pytest.raises(InputError, match="no fp16 of a: it has fp32 of a"):
        table.of("a", "fp16")
    with pytest.raises(InputError, match="unknown scheme 'int3'"):
        table.of("a", "int3")
