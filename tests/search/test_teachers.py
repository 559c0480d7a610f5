"""A study of several teachers: refused, searched, killed, resumed, exported and trained again."""

import json
import os
import shutil
import signal
import tomllib
from pathlib import Path

import pytest
import torch
from torchvision import models

from objectives import Verdict, Workbench
from search.workers.events import EpochEnded, Noted, Preparing
from spaces import (
    DataConfig,
    InputError,
    Network,
    Schedule,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
)
from tests.search.commands_run import refused, run_here
from tests.search.searching import STUDY, Command, assert_whole, search_here, study_in

TEACHERS = """
[teachers.early]
of = "teacher"
epoch = 1

[teachers.loaded]
architecture = "cifar_resnet20"
width = 0.25
weights = "loaded.safetensors"

[teachers.both]
ensemble = ["early", "loaded"]

[teachers.assistant]
architecture = "resnet8x4"
width = 0.25
taught_by = "both"

[teachers.assistant.training]
epochs = 2
batch_size = 32
learning_rate = 0.01
"""
SPACE = """
[chain]
stages = ["distill"]

[space.network]
architecture = "cifar_resnet20"
width = [0.5]

[space.distill]
teacher = ["loaded", "assistant", "both"]
alpha = [0.5, 1.0]
temperature = 4
epochs = 1
batch_size = 32
learning_rate = [0.01, 0.02]

[space.quantize]
scheme = ["fp32"]
"""
TRIALS = 5


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights that know the digits, as somebody else would have trained them."""
    network = Network("cifar_resnet20", 0.25, image_size=16)
    teacher = TeacherConfig(network, TrainTeacher(Schedule(3, 0.01, 32)))
    setup = StudySetup(DataConfig("digits", 16, train_limit=400), teacher, seed=3)
    with Workbench(setup, tmp_path_factory.mktemp("weights")) as bench:
        yield bench.teacher(lambda _: Verdict.GO_ON).weights


def written(folder: Path, text: str, weights: Path) -> Path:
    path = folder / "tiny.toml"
    path.write_text(text)
    shutil.copyfile(weights, folder / "loaded.safetensors")
    return path


@pytest.fixture(scope="module")
def text() -> str:
    head = STUDY[: STUDY.index("[chain]")].replace("trials = 4", f"trials = {TRIALS}")
    return head + TEACHERS + SPACE + STUDY[STUDY.index("[bounds]") :]


@pytest.fixture(scope="module")
def done(text, weights, searched, tmp_path_factory):
    """The study after a search of it in this process, and what that told."""
    folder = tmp_path_factory.mktemp("teachers")
    file = written(folder, text, weights)
    return folder, search_here(file, searched.prepare(folder / "runs", teacher=False))


def test_every_teacher_is_made_once_before_the_first_trial_and_students_ask_each(done):
    folder, events = done
    assert_whole(folder / "runs", TRIALS)
    trained = [e for e in events if isinstance(e, EpochEnded) and e.trial is None]
    assert [(e.stage, e.epoch) for e in trained if not e.reused] == [
        ("teacher", 1),
        ("teacher", 2),
        ("teacher early", 1),
        ("teacher assistant", 1),
        ("teacher assistant", 2),
    ]
    assert any("the teacher both is" in e.words for e in events if isinstance(e, Preparing))
    noted = [event.words for event in events if isinstance(event, Noted)]
    assert any(words.startswith("teacher loaded cifar_resnet20@0.25") for words in noted)
    study = study_in(folder / "runs")
    asked = {trial.params.get("distill.teacher") for trial in study.trials}
    assert len(asked - {None}) >= 2
    recorded = study.user_attrs["teachers"]
    assert list(recorded) == ["loaded", "early", "both", "assistant"]
    assert recorded["both"]["words"] == "mean of early and loaded"
    assert study.user_attrs["inputs"]["content"].keys() >= {"weights of teacher loaded"}
    trials = [trial.user_attrs["chain"]["student"]["stages"][0] for trial in study.trials
              if "chain" in trial.user_attrs]  # fmt: skip
    for stage in trials:  # Who learns alone asks nobody; its baseline is there too.
        assert stage["teacher"] in {"teacher", "loaded", "assistant", "both"}


def test_status_and_report_and_dry_run_name_them(done):
    folder, _ = done
    said = run_here("status", "--study", "tiny", cwd=folder)
    assert "teacher early: cifar_resnet20, 16 px, after 1 of 2 epochs, " in said.stdout
    told = json.loads(run_here("status", "--study", "tiny", "--json", cwd=folder).stdout)
    assert [one["name"] for one in told["teachers"]] == ["loaded", "early", "both", "assistant"]
    assert run_here("report", "--study", "tiny", cwd=folder).returncode == 0
    page = (folder / "runs" / "tiny" / "report" / "report.html").read_text()
    assert "assistant (resnet8x4 x0.25, 16 px, taught by both, " in page.replace("\xa0", " ")
    plan = run_here("run", "--study", "tiny.toml", "--dry-run", cwd=folder).stdout
    assert "Teacher both: mean of early and loaded" in plan
    assert "teachers about " in plan


def test_what_is_exported_carries_the_teachers_it_needs_and_is_trained_again(done, tmp_path):
    folder, _ = done
    runs = folder / "runs"
    study = study_in(runs)
    chosen = {}
    for trial in study.get_trials(deepcopy=False):
        if trial.state.is_finished() and trial.values and "chain" in trial.user_attrs:
            stage = trial.user_attrs["chain"]["student"]["stages"][0]
            chosen.setdefault(stage["teacher"], trial.number)
    name = next(one for one in ("assistant", "both", "loaded") if one in chosen)
    needs = {"assistant": {"early", "loaded", "both", "assistant"},
             "both": {"early", "loaded", "both"}, "loaded": {"loaded"}}[name]  # fmt: skip
    shutil.copytree(runs / "cache", tmp_path / "runs" / "cache")
    out = tmp_path / "best"
    ended = run_here("export", "--study", "tiny", "--runs-dir", runs, "--pick", chosen[name],
                     "--out", out, cwd=tmp_path)  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    recipe = tomllib.loads((out / "config.toml").read_text())
    assert {one["name"] for one in recipe["setup"]["teachers"]} == needs
    again = run_here("retrain", out / "config.toml", "--out", "final", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "validation accuracy" in again.stdout
    # The same settings and the same teachers give the same student.
    first, second = (
        (one / "student.safetensors").read_bytes() for one in (out, tmp_path / "final")
    )
    assert first == second
    # Without what it learned from, it cannot be.
    weights = Path(
        next(one for one in recipe["setup"]["teachers"] if one["name"] == "loaded")["made"][
            "weights"
        ]["path"]
    )
    kept = weights.read_bytes()
    try:
        weights.write_bytes(b"")
        line = refused("retrain", out / "config.toml", "--out", "other", cwd=tmp_path)
    finally:
        weights.write_bytes(kept)
    assert "made from other inputs than are there now: weights of teacher loaded" in line


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("space.distill.method=hint", "taught by both: hint looks at its teacher's layers"),
        ("teachers.loaded.weights=absent.pth", "absent.pth do not exist"),
        ("teachers.both.ensemble=['early','tutor']", "teachers: unknown teacher 'tutor': known"),
        ("space.distill.teacher=['both','teacher']", "nobody learns from assistant"),
        ("space.distill.pretrained=IMAGENET1K_V1", "pretrained IMAGENET1K_V1: torchvision has wei"),
        ("teacher.pretrained=IMAGENET1K_V1", "pretrained IMAGENET1K_V1: torchvision has weights"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_and_nothing_is_written(
    text, weights, tmp_path, setting, words
):
    file = written(tmp_path, text, weights)
    with pytest.raises(InputError) as caught:
        search_here(file, tmp_path / "runs", setting)
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.long
def test_a_search_is_killed_while_teachers_and_pretrained_students_train_and_goes_on(
    text, weights, tmp_path, monkeypatch
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    torch.manual_seed(0)
    url = models.get_model_weights("squeezenet1_1")["IMAGENET1K_V1"].url
    path = tmp_path / "hub" / "checkpoints" / url.rpartition("/")[2]
    path.parent.mkdir(parents=True)
    torch.save(models.get_model("squeezenet1_1", weights=None).state_dict(), path)
    text = text.replace('"cifar_resnet20"\nwidth = [0.5]', '"squeezenet1_1"\nimage_size = 32')
    text = text.replace("epochs = 1\n", "epochs = 1\npretrained = ['none', 'IMAGENET1K_V1']\n", 1)
    file, runs = written(tmp_path, text, weights), tmp_path / "runs"
    for far in ("the teacher assistant is", "trial 2 begins"):
        command = Command(file, runs)
        command.waits_until(lambda far=far, command=command: far in command.output)
        for worker in command.kill():
            os.kill(worker, signal.SIGKILL)
    assert Command(file, runs).ends() == 0
    assert_whole(runs, TRIALS)
    study = study_in(runs)
    assert list(study.user_attrs["teachers"]) == ["loaded", "early", "both", "assistant"]
    assert study.user_attrs["inputs"]["content"].keys() >= {"IMAGENET1K_V1 of squeezenet1_1"}
    assert not [t for t in study.trials if t.user_attrs.get("failure", {}).get("kind") == "error"]
