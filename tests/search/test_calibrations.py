"""A study that lists schemes whose codes are chosen by what layers give."""

import json
import tomllib
from pathlib import Path

import pytest

from spaces import InputError
from tests.search.commands_run import run_here
from tests.search.searching import history_in, search_here, study_file

SCHEMES = ["fp32", "int3_weight_only", "int3_weight_only+gpfq", "w4a8+quantease"]
SPACE = f"""
[chain]
stages = ["distill"]
[space.network]
architecture = "resnet8x4"
width = [0.5]
[space.distill]
epochs = 2
batch_size = 32
alpha = [0.0, 0.5]
temperature = 4
learning_rate = 0.01
[space.quantize]
scheme = {SCHEMES}
"""


def test_a_runtime_that_cannot_write_them_says_so(tmp_path: Path) -> None:
    file, runs = study_file(tmp_path, SPACE), tmp_path / "runs"
    with pytest.raises(InputError, match=r"executorch cannot write int3_weight_only, int3_w.*\+gp"):
        search_here(file, runs, "runtime.name=executorch")
    with pytest.raises(InputError, match=r"scheme: must be one of .*, gpfq, quantease"):
        search_here(file, runs, "space.quantize.scheme=['fp32','w4a8+adaquant']")
    assert not runs.exists()


@pytest.mark.long
def test_such_schemes_are_searched_priced_by_layout_and_exported(tmp_path: Path) -> None:
    file, runs = study_file(tmp_path, SPACE), tmp_path / "runs"
    search_here(file, runs, "trials=2", "pruning.name=none")
    history = history_in(runs)
    assert not history.failed
    scored = {(one.chain.student, one.scheme): one for one in history.points if one.chain}
    students = {student for student, _ in scored}
    of_gpfq = [point for (_, scheme), point in scored.items() if scheme.endswith("+gpfq")]
    assert of_gpfq
    for student in students:
        both = [scored.get((student, name)) for name in SCHEMES[1:3]]
        costs = {(point.size_bytes, point.latency_ms) for point in both if point}
        assert len(costs) <= 1
    number = of_gpfq[0].number
    export = run_here("export", "--study", "tiny", "--pick", number, "--out", "out", cwd=tmp_path)
    assert export.returncode == 0, export.stderr + export.stdout
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["scheme"] == "int3_weight_only+gpfq"
    assert metrics["validation"]["accuracy"] == pytest.approx(of_gpfq[0].accuracy)
    again = run_here("retrain", "out/config.toml", "--out", "again", cwd=tmp_path)
    assert again.returncode == 0, again.stderr + again.stdout


@pytest.mark.long
def test_bits_by_layer_follow_the_sensitivity_of_a_trained_student(tmp_path: Path) -> None:
    file, runs = study_file(tmp_path, SPACE), tmp_path / "runs"
    search_here(file, runs, "trials=1", "pruning.name=none", "space.quantize.scheme=['fp32']")
    told = run_here("sensitivity", "--study", "tiny", "--images", 64, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    table = tomllib.loads(told.stdout)["sensitivity"]
    assert len(table) > 5
    assert all(lost[0] < lost[3] for lost in table.values())
    schemes = ["int3_weight_only", "by_layer_3", "by_layer_3+gpfq"]
    following = tmp_path / "following.toml"
    following.write_text(file.read_text().replace(str(SCHEMES), str(schemes)))
    later = tmp_path / "later"
    with pytest.raises(InputError, match=r"by_layer_3, by_layer_3\+gpfq needs a table \[sensitiv"):
        search_here(following, later, "trials=1")
    following.write_text(following.read_text() + told.stdout)
    search_here(following, later, "trials=1", "pruning.name=none")
    history = history_in(later)
    assert not history.failed
    sizes = {point.scheme: point.size_bytes for point in history.points if point.chain}
    assert sizes.keys() & {"by_layer_3", "by_layer_3+gpfq"}
    export = run_here(
        *("export", "--study", "tiny", "--runs-dir", later),
        *("--pick", "accurate", "--out", "out"),
        cwd=tmp_path,
    )
    assert export.returncode == 0, export.stderr + export.stdout
    assert "losses" in (tmp_path / "out" / "config.toml").read_text()
    again = run_here("retrain", "out/config.toml", "--out", "again", cwd=tmp_path)
    assert again.returncode == 0, again.stderr + again.stdout
