"""Chains that the project does not have run through a whole real study, by its own commands."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spaces import ADAPTERS, METHODS, Adapt, InputError
from tests.search.commands_run import ROOT, run_here
from tests.search.searching import Command, history_in, search_here, study_file

MADE_UP = Path(__file__).parent / "made_up"

ONE_STAGE = """
[chain]
stages = ["distill"]
[space.network]
architecture = "cifar_resnet20"
width = [0.5]
[space.distill]
epochs = 2
batch_size = 32
learning_rate = [0.01, 0.02]
[space.quantize]
scheme = ["fp32", "int8_static"]
"""

THREE_STAGES = """
[chain]
stages = ["distill", "adapt", "average"]
[space.network]
architecture = "cifar_resnet20"
width = [0.5]
[space.distill]
epochs = [1, 2]
batch_size = 32
learning_rate = [0.01, 0.02]
[space.adapt]
epochs = 1
batch_size = 32
rank = [0, 2]
[space.average]
batch_size = 32
share = [0, 0.25, 0.5]
[space.quantize]
scheme = ["fp32", "int8_static", "int8_clipped"]
"""

TWO_NETWORKS = """
[space.network]
architecture = ["cifar_resnet20", "cifar_resnet32"]
width = [0.25]
image_size = [16, 24]
[space.distill]
epochs = 1
batch_size = 32
learning_rate = [0.01, 0.02]
[space.adapt]
epochs = 1
batch_size = 32
rank = [0, 2]
[space.quantize]
scheme = ["fp32", "int8_static"]
"""

EVERY_METHOD = f"""
[chain]
stages = ["distill"]
[space.network]
architecture = "cifar_resnet20"
width = [0.25]
[space.distill]
method = {list(METHODS)}
epochs = 2
batch_size = 32
learning_rate = 0.01
alpha = 0.9
temperature = 4
dkd = {{ alpha = 1, beta = 8 }}
dist = {{ beta = 1, gamma = 1 }}
wttm = {{ beta = 4 }}
label_smoothing = {{ smoothing = 0.1 }}
multi_level = {{ hidden_weight = 1, embedding_weight = 1 }}
dml = {{ peer = "teacher" }}
[space.quantize]
scheme = ["fp32", "int8_static"]
[pruning]
name = "none"
"""
"""With one student a method."""

EVERY_ADAPTER = f"""
[chain]
stages = ["distill", "adapt"]
[space.network]
architecture = "mobilenet_v2"
width = [0.25]
[space.distill]
epochs = 1
batch_size = 32
learning_rate = 0.01
alpha = [0, 0.9]
temperature = 4
[space.adapt]
method = {list(ADAPTERS)}
epochs = 2
batch_size = 32
rank = [0, 2]
lora_alpha = 8
dropout = 0
targets = "dense"
learning_rate = 0.01
learns_from = "both"
[space.quantize]
scheme = ["fp32", "int8_static"]
[pruning]
name = "none"
"""
"""With two students a method, and two that are not adapted."""

SPACES = {
    "one stage": ONE_STAGE,
    "three stages": THREE_STAGES,
    "two networks": TWO_NETWORKS,
    "every method": EVERY_METHOD,
    "every adapter": EVERY_ADAPTER,
}


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process and those that it starts know the made-up stage and scheme."""
    monkeypatch.syspath_prepend(str(MADE_UP))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(MADE_UP)]))
    import made_up

    made_up.register()
    yield
    made_up.unregister()
    sys.modules.pop("made_up", None)


def run(*arguments: object, cwd: Path) -> str:
    done = run_here(*arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.mark.parametrize(
    "name",
    [
        *("one stage", "three stages"),
        *(
            pytest.param(name, marks=pytest.mark.long)
            for name in ("two networks", "every method", "every adapter")
        ),
    ],
)
def test_a_study_of_another_chain_is_searched_reported_exported_and_retrained(
    name: str, tmp_path: Path
) -> None:
    file = study_file(tmp_path, SPACES[name])
    search_here(file, tmp_path / "runs")
    history = history_in(tmp_path / "runs")
    kinds = {stage.kind for point in history.points if point.chain
             for stage in point.chain.student.stages}  # fmt: skip
    trained = {record.stage for student in history.students for record in student.stages}
    networks = {point.chain.student.network for point in history.points if point.chain}
    best = max(history.students, key=lambda student: len(student.stages))
    baselines = {point.baseline for point in history.points if point.baseline}
    assert trained == kinds
    assert "student without the teacher" in baselines
    if name == "three stages":
        assert len(kinds) == 3 or len(best.stages) < 3
    if name == "two networks":
        assert len({(one.architecture, one.image_size) for one in networks}) >= 2
    run("report", "--study", "tiny", cwd=tmp_path)
    page = (tmp_path / "runs" / "tiny" / "report" / "report.html").read_text("utf-8")
    run("export", "--study", "tiny", "--pick", best.number, "--out", "best", cwd=tmp_path)
    metrics = json.loads((tmp_path / "best" / "metrics.json").read_text())
    assert metrics["network"] == best.chain.student.network.key
    card = (tmp_path / "best" / "README.md").read_text("utf-8")
    for stage in best.chain.student.stages:
        assert stage.in_words in card
        # Of students who differ in many words, the page has those of the front alone.
        assert stage.in_words in page or name == "every adapter"
    run("retrain", "best/config.toml", "--epochs", 2, "--out", "final", cwd=tmp_path)
    again = json.loads((tmp_path / "final" / "comparison.json").read_text())
    assert again["retrained"][0]["network"] == best.chain.student.network.key


@pytest.mark.long
@pytest.mark.parametrize("name", SPACES)
def test_a_study_of_another_chain_is_killed_and_goes_on(name: str, tmp_path: Path) -> None:
    file, runs = study_file(tmp_path, SPACES[name]), tmp_path / "runs"
    trials = {"every method": len(METHODS), "every adapter": 2 * len(ADAPTERS) + 2}.get(name, 6)
    for epochs in (1, 3, 5):
        command = Command(file, runs, "--trials", str(trials))

        def far_enough(epochs: int = epochs) -> bool:
            try:
                history = history_in(runs)
                ended = sum(len(s.curve) for s in (*history.students, *history.pruned))
                return ended + sum(len(one.curve) for one in history.running) >= epochs
            except InputError:  # The study is not made yet.
                return False

        command.waits_until(far_enough)
        for worker in command.kill():
            os.kill(worker, signal.SIGKILL)
    assert Command(file, runs, "--trials", str(trials)).ends() == 0
    history = history_in(runs)
    assert history.ended == trials
    assert not [failure for failure in history.failed if failure.kind != "interrupted"]
    if name == "every method":
        scored = {one.chain.student.teaching(0).kind for one in history.points if one.chain}
        assert scored == METHODS.keys()
    if name == "every adapter":
        last = [one.chain.student.stages[-1] for one in history.points if one.chain]
        assert {one.method for one in last if isinstance(one, Adapt)} == ADAPTERS.keys()
