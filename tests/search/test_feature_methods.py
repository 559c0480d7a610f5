"""A study of methods that learn parts of their own: refused, searched, killed, resumed, scored."""

import os
import re
import signal
from pathlib import Path

import pytest

from spaces import InputError
from tests.search.commands_run import run_here
from tests.search.searching import Command, assert_whole, history_in, search_here, study_file

METHODS = ["hint", "attention", "rkd", "crd", "multi_level", "dml"]
SPACE = f"""
[chain]
stages = ["distill"]
[space.network]
architecture = "resnet8x4"
width = [0.5]
[space.distill]
method = {METHODS}
alpha = 0.5
temperature = 4
epochs = 2
batch_size = 32
learning_rate = 0.01
hint = {{ student_layer = ["auto", "layer3"], first_share = [0, 0.5] }}
multi_level.hidden_weight = 1
multi_level.embedding_weight = 1
multi_level.level_order = ["together", "inside_out"]
crd = {{ negatives = 64 }}
[space.quantize]
scheme = ["fp32", "int8_static"]
[pruning]
name = "none"
"""
TRIALS = 11
"""As many as there are students."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return study_file(tmp_path, SPACE)


def test_a_layer_that_no_network_has_is_refused_before_anything_is_written(
    file: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        search_here(file, tmp_path / "runs", "space.distill.hint.student_layer=['auto','layer7']")
    line = str(caught.value)
    assert line.startswith("resnet8x4@0.5/16px: unknown layer of the student 'layer7': known are")
    assert "layer1, layer1.0, layer2" in line
    assert not (tmp_path / "runs").exists()


@pytest.mark.long
def test_a_trial_whose_loss_is_not_finite_fails_with_stage_epoch_and_batch(
    file: Path, tmp_path: Path
) -> None:
    beyond = ("learning_rate=10", "weight_decay=10", "optimizer='sgd'", "decay='constant'")
    method = ("method=['none']", "batch_size=4")
    text = file.read_text().splitlines(keepends=True)
    own = ("hint =", "multi_level.", "crd =", "alpha =", "temperature =")
    file.write_text("".join(line for line in text if not line.startswith(own)))
    search_here(
        file, tmp_path / "runs", "trials=1", *(f"space.distill.{one}" for one in (*beyond, *method))
    )
    failed = history_in(tmp_path / "runs").failed
    assert failed
    for failure in failed:
        assert failure.kind == "diverged"
        assert re.search(r"^distill diverged in epoch 1 at batch \d+ of \d+, at", failure.reason)


@pytest.mark.long
def test_a_study_of_them_is_killed_goes_on_and_its_artifacts_are_scored(
    file: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    for epochs in (1, 3, 5):
        command = Command(file, runs, "--trials", str(TRIALS))

        def far_enough(epochs: int = epochs) -> bool:
            try:
                history = history_in(runs)
            except InputError:  # The study is not made yet.
                return False
            students = (*history.students, *history.pruned, *history.running)
            return sum(len(student.curve) for student in students) >= epochs

        command.waits_until(far_enough)
        for worker in command.kill():
            os.kill(worker, signal.SIGKILL)
    assert Command(file, runs, "--trials", str(TRIALS)).ends() == 0
    assert_whole(runs, TRIALS)
    history = history_in(runs)
    assert not [failure for failure in history.failed if failure.kind != "interrupted"]
    scored = [point for point in history.points if point.chain is not None]
    taught = {point.chain.student.stages[0].method.kind for point in scored}
    assert taught == set(METHODS)
    assert max(point.accuracy for point in scored) > 0.3, [p.accuracy for p in scored]
    # What was learned beside the student is in no artifact: its size is that of its network.
    sizes = {(point.scheme, point.size_bytes) for point in scored}
    assert len(sizes) == len({scheme for scheme, _ in sizes})
    report = run_here("report", "--study", "tiny", cwd=tmp_path)
    assert report.returncode == 0, report.stderr + report.stdout
