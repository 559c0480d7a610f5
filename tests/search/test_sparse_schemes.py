"""Weights that are pruned, searched under schemes that store zeros and that do not."""

import json
from pathlib import Path

import pytest

from spaces import InputError, scheme_named
from tests.search.commands_run import run_here
from tests.search.searching import history_in, search_here, study_file

SPACE = """
[chain]
stages = ["distill", "prune"]
[space.network]
architecture = "resnet8x4"
width = [0.5]
[space.distill]
method = "none"
epochs = 2
batch_size = 32
learning_rate = 0.01
[space.prune]
removes = "weights"
amount = [0, 0.6, 0.8]
method = "none"
epochs = 1
batch_size = 32
learning_rate = 0.005
[space.quantize]
scheme = ["fp32", "fp32_sparse", "int8_weight_only", "int8_sparse", "int4_sparse+gpfq"]
"""


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (
            "space.prune.removes=channels",
            (
                "fp32_sparse, int8_sparse, int4_sparse.gpfq store no weights that are zero, and no "
                "student has any: a stage prune"
            ),
        ),
        ("space.prune.amount=0", "and no student has any"),
        ("runtime.name=executorch", "executorch"),
        ("space.quantize.scheme=int8_dynamic_sparse", "unknown|must be one of fp32"),
    ],
)
def test_what_cannot_be_stored_so_is_refused_in_one_line_before_training(
    setting: str, words: str, tmp_path: Path
) -> None:
    file, runs = study_file(tmp_path, SPACE), tmp_path / "runs"
    with pytest.raises(InputError, match=words):
        search_here(file, runs, setting)
    assert not runs.exists()


def test_the_sparse_point_is_on_the_front_and_its_files_are_those_of_the_table(
    tmp_path: Path,
) -> None:
    file, runs = study_file(tmp_path, SPACE), tmp_path / "runs"
    search_here(file, runs, "trials=5", "pruning.name=none")
    history = history_in(runs)
    assert not history.failed  # Every artifact was checked against the table.
    pruned = [
        point
        for point in history.points
        if point.chain and point.chain.student.deployed.pruned.weights
    ]
    sparse = [one for one in pruned if scheme_named(one.scheme).layout.is_sparse]
    assert sparse
    for point in sparse:
        dense = [
            one
            for one in history.points
            if one.student == point.student
            and scheme_named(one.scheme).layout == scheme_named(point.scheme).layout.dense
        ]
        assert all(one.accuracy == point.accuracy or "gpfq" in point.scheme for one in dense)
        assert all(one.size_bytes > point.size_bytes for one in dense)
    smallest = min(history.points, key=lambda one: one.size_bytes)
    assert scheme_named(smallest.scheme).layout.is_sparse
    assert run_here("report", "--study", "tiny", cwd=tmp_path).returncode == 0
    exported = run_here(
        *("export", "--study", "tiny", "--pick", sparse[0].number, "--out", "out"), cwd=tmp_path
    )
    assert exported.returncode == 0, exported.stderr + exported.stdout
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["validation"]["accuracy"] == pytest.approx(sparse[0].accuracy)
    assert (tmp_path / "out" / "model.onnx").stat().st_size == sparse[0].size_bytes
