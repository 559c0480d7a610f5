"""A study that lists layouts to learn for: refused, searched, reported and exported."""

import json
from pathlib import Path

import pytest

from spaces import InputError, scheme_named
from tests.search.commands_run import run_here
from tests.search.searching import history_in, search_here, study_file

LAYOUTS = ["float", "w4", "w2"]
SPACE = f"""
[chain]
stages = ["distill", "adapt"]
[space.network]
architecture = "resnet8x4"
width = [0.5]
[space.distill]
epochs = 2
batch_size = 32
alpha = [0.0, 0.5]
temperature = 4
learning_rate = 0.01
[space.adapt]
epochs = 1
batch_size = 32
rank = [0, 2, 4]
lora_alpha = 8
dropout = 0.0
targets = "dense"
learning_rate = 0.003
layout = {LAYOUTS}
[space.quantize]
scheme = ["fp32", "int4_weight_only", "int3_weight_only", "int2_weight_only"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return study_file(tmp_path, SPACE)


def test_a_layout_that_no_scheme_has_or_the_runtime_cannot_write_is_refused(
    file: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    with pytest.raises(InputError, match=r"space\.adapt\.layout: w8 needs int8_weight_only in qua"):
        search_here(file, runs, "space.adapt.layout=['float','w8']")
    with pytest.raises(InputError, match="executorch"):
        search_here(file, runs, "runtime.name=executorch")
    assert not runs.exists()


@pytest.mark.long
@pytest.mark.parametrize("sampler", ["ehvi", "tpe"])
def test_such_a_study_is_searched_and_its_points_are_of_the_layouts(
    file: Path, tmp_path: Path, sampler: str
) -> None:
    runs = tmp_path / "runs"
    search_here(file, runs, f"sampler.name={sampler}", "trials=8", "pruning.name=none")
    history = history_in(runs)
    assert not history.failed
    assert len(history.students) == 8
    scored = [point for point in history.points if point.chain is not None]
    layouts = {point.chain.student.files.layout for point in scored}
    assert layouts >= {"float", "w4"} or layouts >= {"float", "w2"}
    for point in scored:
        layout = point.chain.student.files.layout
        assert layout in ("float", scheme_named(point.scheme).layout.key)
    assert len({(point.scheme, point.size_bytes) for point in scored}) == len(
        {point.scheme for point in scored}
    )
    report = run_here("report", "--study", "tiny", cwd=tmp_path)
    assert report.returncode == 0, report.stderr + report.stdout
    aware = max(
        (one for one in scored if one.chain.student.files.layout != "float"),
        key=lambda one: one.accuracy,
    )
    export = run_here(
        "export", "--study", "tiny", "--pick", aware.number, "--out", "out", cwd=tmp_path
    )
    assert export.returncode == 0, export.stderr + export.stdout
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["validation"]["accuracy"] == pytest.approx(aware.accuracy)
    assert "rounded_validation_accuracy" in metrics
    assert "float_validation_accuracy" not in metrics
