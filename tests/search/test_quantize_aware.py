"""Chains that end in quantization-aware training: searched, killed, exported, retrained."""

import json
from pathlib import Path

import pytest
from optuna.trial import TrialState

from spaces import InputError, scheme_named
from tests.search.commands_run import run_here
from tests.search.searching import (
    Command,
    assert_whole,
    curve,
    history_in,
    search_here,
    study_file,
    trials_in,
    wait_for_death,
)

SPACE = """
[chain]
stages = {stages}
[space.network]
architecture = "resnet8x4"
width = [0.5]
[space.distill]
epochs = 2
batch_size = 32
alpha = [0.0, 0.5]
temperature = 4
learning_rate = 0.01
{adapt}
[space.quantize_aware]
layout = {layouts}
method = ["none", "logit"]
alpha = 0.5
temperature = 4
epochs = 2
batch_size = 32
learning_rate = [0.0005, 0.001]
[space.quantize]
scheme = ["fp32", "int4_weight_only", "w4a8", "int2_weight_only"]
"""
ADAPT = """
[space.adapt]
epochs = 1
batch_size = 32
rank = 4
lora_alpha = 8
dropout = 0.0
targets = "dense"
learning_rate = 0.003
"""
LAYOUTS = ["float", "w4a8", "w2"]
SHORT = SPACE.format(stages=["distill", "quantize_aware"], adapt="", layouts=LAYOUTS)
LONG = SPACE.format(stages=["distill", "adapt", "quantize_aware"], adapt=ADAPT, layouts=LAYOUTS)
CHAINS = pytest.mark.parametrize("space", [SHORT, LONG], ids=["distilled", "adapted"])


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("space.quantize_aware.layout=w8", "w8 needs int8_weight_only in quantize.scheme"),
        ("space.quantize_aware.layout=w5", "must be one of w8, .*, got 'w5'"),
        ("chain.stages=['quantize_aware','distill']", "begins with the weights of the teacher"),
        ("runtime.name=executorch", "executorch"),
    ],
)
def test_what_cannot_be_trained_for_is_refused_in_one_line_before_training(
    setting: str, words: str, tmp_path: Path
) -> None:
    file, runs = study_file(tmp_path, SHORT), tmp_path / "runs"
    with pytest.raises(InputError, match=words):
        search_here(file, runs, setting)
    assert not runs.exists()


def test_the_command_says_so_and_ends_with_code_2(tmp_path: Path) -> None:
    study_file(tmp_path, SHORT)
    refused = run_here(
        *("run", "--study", "tiny.toml", "--set", "space.quantize_aware.layout=w5"), cwd=tmp_path
    )
    assert refused.returncode == 2
    assert "space.quantize_aware.layout: must be one of w8" in refused.stderr + refused.stdout
    assert "Traceback" not in refused.stderr + refused.stdout


@pytest.mark.long
@CHAINS
@pytest.mark.parametrize("sampler", ["ehvi", "tpe"])
def test_such_a_study_is_searched_reported_exported_and_retrained(
    space: str, sampler: str, tmp_path: Path
) -> None:
    file, runs = study_file(tmp_path, space), tmp_path / "runs"
    search_here(file, runs, f"sampler.name={sampler}", "trials=8", "pruning.name=none")
    history = history_in(runs)
    assert not history.failed
    assert len(history.students) == 8
    scored = [point for point in history.points if point.chain is not None]
    layouts = {point.chain.student.files.layout for point in scored}
    assert layouts > {"float"}
    for point in scored:
        layout = point.chain.student.files.layout
        assert layout in ("float", scheme_named(point.scheme).layout.key)
    assert run_here("report", "--study", "tiny", cwd=tmp_path).returncode == 0
    aware = next(one for one in scored if one.chain.student.files.layout != "float")
    export = run_here(
        *("export", "--study", "tiny", "--pick", aware.number, "--out", "out"), cwd=tmp_path
    )
    assert export.returncode == 0, export.stderr + export.stdout
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["validation"]["accuracy"] == pytest.approx(aware.accuracy)
    assert "rounded_validation_accuracy" in metrics
    again = run_here("retrain", "out/config.toml", "--out", "again", cwd=tmp_path)
    assert again.returncode == 0, again.stderr + again.stdout
    both = [(tmp_path / name / "model.onnx").read_bytes() for name in ("out", "again")]
    assert both[0] == both[1]


@pytest.mark.long
@CHAINS
def test_killed_while_it_trains_for_a_layout_it_goes_on_from_the_last_epoch(
    space: str, tmp_path: Path
) -> None:
    file, runs = study_file(tmp_path, space.replace(str(LAYOUTS), "['w4a8']")), tmp_path / "runs"

    def it_has_an_epoch_of_two() -> bool:
        running = [one for one in trials_in(runs) if one.state == TrialState.RUNNING]
        kinds = space.count("epochs =")
        return any(len(curve(one)) == (3 if kinds == 2 else 4) for one in running)

    settings = ("--set", "trials=2", "--set", "pruning.name=none", "--set", "sampler.startup=1")
    first = Command(file, runs, *settings)
    first.waits_until(it_has_an_epoch_of_two)
    left = first.kill()
    went_further = not it_has_an_epoch_of_two()  # Between the look and the kill.
    wait_for_death(left)
    second = Command(file, runs, *settings)
    assert second.ends() == 0, second.output
    says = "reused" if went_further else "goes on after quantize_aware epoch 1/2, reused"
    assert says in second.output
    assert_whole(runs, 2)
    assert {one.kind for one in history_in(runs).failed} == {"interrupted"}
