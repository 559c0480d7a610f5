"""Paths of a study: relative to its file, or to where a command was given."""

from pathlib import Path

import pytest
from optuna.storages import RDBStorage

from spaces import InputError, LoadTeacher
from studies import (
    StudyConfig,
    check_resume,
    create_or_resume,
    load_study,
    open_storage,
    path_notes,
    stored_config,
)

STUDY = """
name = "mine"
modules = ["nets"]
[data]
name = "imagefolder:photos"
root = "sets"
[teacher]
architecture = "my_nets:big"
weights = "teacher.pth"
[space.network]
architecture = ["my_nets:small", "mobilenet_v2"]
width = 1.0
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study, its teacher and its photos; the current folder is another."""
    project = tmp_path / "project"
    (project / "photos").mkdir(parents=True)
    (project / "teacher.pth").touch()
    (project / "mine.toml").write_text(STUDY)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return project


def loaded(project: Path, *overrides: str) -> StudyConfig:
    return load_study(f"../{project.name}/mine.toml", overrides)


def weights(config: StudyConfig) -> str:
    found = config.setup().teacher.weights
    assert isinstance(found, LoadTeacher)
    return found.path


def placed(config: StudyConfig) -> list[Path]:
    """Return where the study's files are looked for."""
    data = config.setup().data
    paths = [weights(config), data.name.removeprefix("imagefolder:"), data.root, *config.modules]
    return [Path(path).resolve() for path in paths]


def test_paths_of_a_file_are_relative_to_it(project: Path) -> None:
    config = loaded(project)
    names = ("teacher.pth", "photos", "sets", "nets", "")
    assert placed(config) == [project / name for name in names]
    assert config.setup().modules == config.modules
    assert path_notes(str(project / "mine.toml")) == []


def test_paths_of_an_override_are_relative_to_the_current_folder(project: Path) -> None:
    overrides = ("teacher.weights=t.pth", "data.name=imagefolder:p", "data.root=r", 'modules=["m"]')
    config = loaded(project, *overrides)
    here = [Path.cwd() / name for name in ("t.pth", "p", "r", "m")]
    assert placed(config) == [*here, project]


def test_what_is_in_the_current_folder_alone_is_taken_from_there_and_said(project: Path) -> None:
    (project / "teacher.pth").unlink()
    Path("teacher.pth").touch()
    config = loaded(project)
    assert placed(config)[:2] == [Path.cwd() / "teacher.pth", project / "photos"]
    assert path_notes(str(project / "mine.toml")) == [
        f"teacher.pth is not in {project}: the one in the current folder is taken"
    ]


def test_what_is_absolute_and_what_is_no_path_stays(project: Path) -> None:
    config = loaded(project, "data.name=digits", f"teacher.weights={project}/x.pth")
    assert config.setup().data.name == "digits"
    assert weights(config) == f"{project}/x.pth"
    built_in = load_study("kd_lora_q")
    assert (built_in.modules, built_in.data.root) == ((), "data")
    with pytest.raises(InputError, match=r"teacher\.weights: must be a word in quotes, got 3"):
        loaded(project, "teacher.weights=3")


@pytest.fixture
def begun(project: Path, tmp_path: Path) -> RDBStorage:
    opened = open_storage(tmp_path / "study.db")
    create_or_resume(loaded(project), opened)
    return opened


def test_a_study_goes_on_from_another_folder(
    project: Path, begun: RDBStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    study = check_resume(load_study("mine.toml"), begun)
    assert study is not None
    assert placed(stored_config(study))[0] == project / "teacher.pth"
    with pytest.raises(InputError, match=r"teacher\.weights: was .*teacher\.pth, now .*other\.pth"):
        check_resume(load_study("mine.toml", ["teacher.weights=other.pth"]), begun)


def test_a_project_that_was_moved_is_the_same_and_a_second_file_is_not(
    project: Path, begun: RDBStorage
) -> None:
    copy = project.parent / "copy"
    copy.mkdir()
    (copy / "teacher.pth").touch()
    with pytest.raises(InputError, match=r"teacher\.weights: was .*now .*copy/teacher\.pth"):
        check_resume(loaded(project, f"teacher.weights={copy}/teacher.pth"), begun)
    moved = project.parent / "moved"
    project.rename(moved)
    assert check_resume(loaded(moved), begun) is not None


def test_a_study_that_was_stored_with_relative_paths_goes_on(
    project: Path, begun: RDBStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    config = load_study("mine.toml")
    study = create_or_resume(config, begun)
    old = config.to_dict()
    old["teacher"]["weights"], old["data"]["name"] = "teacher.pth", "imagefolder:photos"
    study.set_user_attr("config", old)
    assert check_resume(config, begun) is not None
