"""Bad input: one clear line, exit code 2, nothing written."""

import json
import os
import socket
import sqlite3
from pathlib import Path

import optuna
import pytest
import torch

from objectives.models import build_model
from objectives.models.weights import save_weights
from spaces import Network
from studies import open_storage
from tests.search.commands_run import one_refusal, refused, run_command, tree
from tests.search.searching import STUDY, Searched

TRAINED = "[teacher.training]\nepochs = 2\nlearning_rate = 0.01\nbatch_size = 32\n"


def study_file(place: Path, old: str, new: str) -> Path:
    """Write the tiny study with one passage replaced."""
    assert old in STUDY
    file = place / "changed.toml"
    file.write_text(STUDY.replace(old, new))
    return file


def test_an_unknown_study_in_a_real_process(place):
    before = tree(place)
    ended = run_command("run", "--study", "kd_lora", cwd=place)
    assert ended.returncode == 2
    said = one_refusal(ended.stderr)
    assert said.startswith("unknown study 'kd_lora': known are kd_lora_q, kd_lora_q_cifar10, ")
    assert tree(place) == before


@pytest.mark.parametrize("command", ["status", "report", "export", "dashboard"])
def test_a_study_that_has_not_begun(place, command):
    said = refused(command, "--study", "tiny.toml", cwd=place)
    assert said == "there is no study 'tiny' in runs: there is none; search.run makes one"


def test_a_study_that_has_not_begun_where_others_have(begun):
    said = refused("status", "--study", "kd_lora_q", cwd=begun)
    assert said == "there is no study 'kd_lora_q' in runs: there are tiny"


def test_a_file_that_is_not_toml(place):
    (place / "tiny.toml").write_text('name = "tiny\n')
    assert "tiny.toml is not valid TOML: " in refused("run", "--study", "tiny.toml", cwd=place)


def test_a_file_with_many_faults_gets_all_of_them_at_once(place):
    text = STUDY.replace("seed = 7", "seed = -3").replace("trials = 4", 'trials = "many"')
    text = text.replace(
        "alpha = { low = 0.0, high = 1.0", "alpha = { low = 0.0, high = 1.9"
    ).replace('"fp16"', '"fp17"')
    text = text.replace("[costs]", "[cost]").replace("train_limit = 200\n", "train_limit = 0\n")
    (place / "tiny.toml").write_text(text)
    said = refused("run", "--study", "tiny.toml", cwd=place, lines=7)
    head, *faults = said.splitlines()
    assert head == "tiny.toml has 6 faults:"
    keys = ("seed", "trials", "data.train_limit", "space.distill.alpha", "space.quantize.scheme")
    for key, fault in zip((*keys, "cost"), faults, strict=True):
        assert fault.strip().startswith(f"{key}: ")
    for said_of in (
        "got -3",
        "got 'many'",
        "got 1.1",
        "must be one of fp32, fp16, ",
        "known are name, objectives",
    ):
        assert said_of in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--trials", "0"], "trials: must be greater than or equal to 1, got 0"),
        (["--workers", "-1"], "workers: must be greater than or equal to 1, got -1"),
        (["--trials", "ten"], "'--trials'"),
        (
            ["--least-gain", "-0.1"],
            "least_gain_per_hour: must be greater than or equal to 0, got -",
        ),
        (["--least-gain", "nan"], "least_gain_per_hour: must be a finite number, got nan"),
        (["--least-gain", "much"], "'--least-gain'"),
        (
            ["--least-gain", "0.01", "--sampler", "tpe", "--pruner", "none"],
            "sampler: with least_gain_per_hour = 0.01 it must be ehvi, or the pruner freeze_thaw",
        ),
        (["--seed", "-1"], "seed: must be greater than or equal to 0, got -1"),
        (["--workers", "1000000000"], "workers: must be less than or equal to 256, got 10"),
        (["--set", "space.adapt.rank=[1000000]"], "adapt.rank: must be in [1, 1024], got 1000000"),
        (
            ["--set", "space.distill.alpha={low=0, high=1, step=1e-12}"],
            "space.distill.alpha: a range has at most 1,000 values",
        ),
        (
            ["--set", "data.train_limit=1"],
            "data.train_limit must be at least 20, 2 for each of 10 classes, got 1",
        ),
        (["--set", f"modules={'x' * 300}"], "x: File name too long"),
        (["--set", "data.root=a\nb"], "data.root: must have no control characters, got '/"),
        (["--sampler", "best"], "must be 'ehvi', 'tpe', 'nsgaii', 'gp', 'random' or 'qmc'"),
        (["--pruner", "hyperband"], "pruning.name: must be 'freeze_thaw', 'known_costs' or 'none'"),
        (["--timeout", "soon"], "such as 45s, 30m or 1h30m, got 'soon'"),
        (["--timeout", "-5m"], "got '-5m'"),
        (["--set", "space.distill.epochs"], "an override is KEY=VALUE"),
        (
            ["--set", "space.distill.epoch=3"],
            "space.distill.epoch: unknown key: known are method, alpha, temperature, ",
        ),
        (["--set", "seed.of=3"], "seed is a value, not a table"),
        (["--set", "name=a/b"], "name: "),
        (["--epochs", "3"], "No such option: --epochs"),
        (
            ["--set", "space.network.architecture=resnet_18", "--set", "space.network.width=1"],
            "unknown architecture 'resnet_18'",
        ),
        (
            ["--set", "space.network.architecture=resnet18"],
            "space.network.width: resnet18 has no width: it must be 1, got [0.5]",
        ),
        (["--set", "runtime.device=tpu"], "runtime.device: must be 'cpu' or 'cuda', got 'tpu'"),
        (["--set", "data.name=mnits"], "unknown data set 'mnits': known are digits, cifar10"),
        (["--set", "data.name=imagefolder:photos"], "/photos is not there: expected"),
    ],
)
def test_impossible_values(place, options, words):
    assert words in refused("run", "--study", "tiny.toml", *options, cwd=place)


def test_a_data_set_that_is_not_there_and_cannot_be_downloaded(place):
    before = tree(place)
    proxy = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    ended = run_command(
        *("run", "--study", "tiny.toml", "--set", "data.name=cifar10", "--set", "data.root=a/b"),
        cwd=place,
        no_proxy="",
        **proxy,
    )
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert f"data set cifar10 is neither in {place / 'a' / 'b'} nor can it be" in ended.stderr
    assert "put torchvision's CIFAR10 files there" in ended.stderr
    assert tree(place) == before


def test_a_checkpoint_of_another_architecture(place):
    weights = place / "teacher.safetensors"
    save_weights(build_model(Network("cifar_resnet32"), 10), weights)
    study_file(place, TRAINED, "").write_text(
        STUDY.replace(TRAINED, "").replace("[teacher]", f'[teacher]\nweights = "{weights}"')
    )
    said = refused("run", "--study", "changed.toml", cwd=place)
    assert said.startswith(
        f"weights {weights} are not of cifar_resnet20@1/16px: unexpected layer1.3."
    )


@pytest.mark.parametrize("name", ["teacher.safetensors", "teacher.pth"])
def test_a_damaged_checkpoint(place, name):
    weights = place / name
    model = build_model(Network("cifar_resnet20"), 10)
    if weights.suffix == ".pth":
        torch.save(model.state_dict(), weights)
    else:
        save_weights(model, weights)
    weights.write_bytes(weights.read_bytes()[:5000])
    (place / "changed.toml").write_text(
        STUDY.replace(TRAINED, "").replace("[teacher]", f'[teacher]\nweights = "{name}"')
    )
    said = refused("run", "--study", "changed.toml", cwd=place)
    assert said.startswith(f"weights {weights} are damaged or not a file of tensors")


def test_a_resume_with_another_space_shows_what_differs(begun):
    (begun / "tiny.toml").write_text(STUDY.replace("rank = [2, 4]", "rank = [2, 8]"))
    settings = ("--set", "space.distill.epochs=9")
    said = refused("run", "--study", "tiny.toml", *settings, cwd=begun, lines=3)
    assert "study 'tiny' has begun under other settings: give the new ones another name" in said
    assert said.splitlines()[1:] == [
        "  space.adapt.rank: was [2, 4], now [2, 8]",
        "  space.distill.epochs: was [2], now [9]",
    ]


@pytest.mark.parametrize("in_the_way", ["runs", "runs/tiny", "runs/cache", "runs/tiny/artifacts"])
def test_a_folder_that_cannot_be_written(place, in_the_way):
    (place / in_the_way).parent.mkdir(parents=True, exist_ok=True)
    (place / in_the_way).touch()
    said = refused("run", "--study", "tiny.toml", cwd=place)
    assert said.endswith(f"{in_the_way} is a file; --runs-dir names another")


@pytest.mark.parametrize(
    ("storage", "words"),
    [
        ("postgresql://127.0.0.1:9/studies", "cannot use the storage postgresql"),
        ("sqlite:///missing/study.db", "there is no folder missing"),
        ("mongodb://127.0.0.1/studies", "a storage is sqlite:///FILE, postgresql://"),
        ("sqlite:///tiny.toml", "tiny.toml is not an SQLite database"),
        ("sqlite:///music.db", "is not a database of studies: it has the tables songs"),
    ],
)
@pytest.mark.parametrize("command", ["run", "status"])
def test_a_storage_that_cannot_be_used(place, storage, words, command):
    connection = sqlite3.connect(place / "music.db")
    connection.execute("CREATE TABLE songs (title TEXT)")
    connection.close()
    assert words in refused(command, "--study", "tiny.toml", "--storage", storage, cwd=place)


def test_a_study_database_that_is_none(place):
    (place / "runs" / "tiny").mkdir(parents=True)
    (place / "runs" / "tiny" / "study.db").write_text("a diary")
    for command in ("run", "status"):
        said = refused(command, "--study", "tiny.toml", cwd=place)
        assert said.startswith("runs/tiny/study.db is not an SQLite database")


def test_a_study_that_somebody_else_made(place):
    url = f"sqlite:///{place}/other.db"
    theirs = optuna.create_study(storage=url, study_name="tiny")
    theirs.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    open_storage(place / "other.db").engine.dispose()  # It becomes ours in how it is locked.
    said = refused("run", "--study", "tiny.toml", "--storage", url, cwd=place)
    assert said == "study 'tiny' was not made by search.run: take another name or storage"


def test_costs_that_are_none(place):
    run = ("run", "--study", "tiny.toml", "--costs")
    assert "costs.json cannot be read: No such file" in refused(*run, "costs.json", cwd=place)
    said = refused(*run, "tiny.toml", cwd=place)
    assert said.startswith("costs tiny.toml are not what a bundle's profile.py writes: ")
    (place / "costs.json").write_text(json.dumps({"format": 1, "runtime": "onnxruntime"}))
    assert "teacher: Field required" in refused(*run, "costs.json", cwd=place)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--pick", "best"], "unknown pick 'best': known are knee, accurate, smallest, fastest"),
        (["--pick", "4000"], "trial 4000 of study 'tiny' is not complete: complete are 0"),
        (["--min-accuracy", "0.999"], "no point to pick has accuracy of at least 99.9 %: the best"),
        (["--max-size-mb", "0.001"], "at most 1 kB: the best are"),
        (["--max-latency-ms", "1e-6"], "the best are"),
        (["--min-accuracy", "high"], "'--min-accuracy'"),
        (["--out", "tiny.toml"], "tiny.toml is there and is no earlier export"),
        (["--out", "."], ". is there and is no earlier export"),
        (["--out", "mine"], "mine is there and is no earlier export"),
        (["--out", "tiny.toml/best"], "tiny.toml is a file; --out names another"),
    ],
)
def test_an_export_that_cannot_be(begun, options, words):
    (begun / "mine").mkdir()
    (begun / "mine" / "README.md").write_text("not an export")
    (begun / "mine" / "thesis.tex").write_text("years of work")
    assert words in refused("export", "--study", "tiny", *options, cwd=begun)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot read the config config.toml: No such file or directory"),
        ("name = ", "config.toml is not valid TOML"),
        (STUDY, "it lacks format, scheme, setup, study, trial"),
        ("format = 9\nstudy = ''\ntrial = 1\nscheme = ''\nsetup = 1", "has format 9, and"),
        ("format = 2\nstudy = ''\ntrial = 1\nscheme = 'x'\nsetup = 1", "unknown scheme 'x'"),
        ("format = 2\nstudy = ''\ntrial = 1\nscheme = []\nsetup = 1", "unknown scheme '[]'"),
        ("format = 2\nstudy = ''\ntrial = 1\nscheme = 'fp32'\nsetup = 1", "StudySetup"),
    ],
)
def test_a_config_that_is_none(tmp_path, text, words):
    if text is not None:
        (tmp_path / "config.toml").write_text(text)
    assert words in refused("retrain", "config.toml", cwd=tmp_path)


def test_a_bundle_into_a_folder_in_use(place):
    (place / "bundle").mkdir()
    (place / "bundle" / "notes.txt").touch()
    said = refused("profile", "--study", "tiny.toml", cwd=place)
    assert said == "bundle is there and is no empty folder: choose another --out"
    assert "unknown study" in refused("profile", "--study", "tiny", cwd=place)


def test_a_port_in_use(begun):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        said = refused("dashboard", "--study", "tiny", "--port", port, cwd=begun)
    assert (
        said == f"cannot listen on 127.0.0.1:{port}: Address already in use; --port names another"
    )
    assert "'--port'" in refused("dashboard", "--study", "tiny", "--port", "99999", cwd=begun)


def test_somebody_elses_studies_are_looked_at_and_left_alone(place: Path) -> None:
    url = f"sqlite:///{place / 'theirs.db'}"
    study = optuna.create_study(study_name="theirs", storage=url)
    study.add_trial(optuna.create_trial(value=1.0))
    for command in ("status", "report", "export", "confirm"):
        said = refused(command, "--study", "theirs", "--storage", url, cwd=place)
        assert "study 'theirs' was not made by search.run" in said
    said = refused("status", "--study", "tiny", "--storage", url, cwd=place)
    assert said == "there is no study 'tiny' in this storage: there are theirs"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"threads": 4}, "was measured with 4 threads, and the study runs 1 ([runtime] threads)"),
        ({"image_size": 32}, "have cifar_resnet20@1/16px at 32 px, and the study has it at 16 px"),
        ({"size_bytes": 1_000}, "has 1,000 bytes there and "),
    ],
)
def test_costs_of_other_files_are_refused(
    searched: Searched, place: Path, changes: dict[str, int], words: str
) -> None:
    answer = json.loads(searched.costs.read_text())
    teacher = next(one for one in answer["artifacts"] if one["network"] == answer["teacher"])
    for name, value in changes.items():
        (answer if name in answer else teacher)[name] = value
    (place / "costs.json").write_text(json.dumps(answer))
    said = refused("run", "--study", "tiny.toml", "--costs", "costs.json", cwd=place)
    assert words in said


def test_names_that_are_no_text_are_refused_at_once(place):
    said = refused("run", "--study", os.fsdecode(b"caf\xe9.toml"), cwd=place)
    assert said == "the argument caf\\udce9.toml is not UTF-8: rename what it names"
