"""Code that a study or a recipe names runs on one's word alone."""

import os
import pty
import sys
import uuid
from pathlib import Path

import pytest

from objectives.users_modules import is_trusted
from search.cli.recipe import Recipe
from search.cli.trust import allow_modules
from spaces import ChainConfig, Distill, InputError, Network, StudentConfig, scheme_named
from studies import create_or_resume, load_study, open_storage
from tests.search.commands_run import run_here, tree
from tests.search.searching import STUDY


class Place:
    """Two folders, `own` and `strange`, each with a module that leaves a mark when it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules = {name: f"{name}_{uuid.uuid4().hex}" for name in ("own", "strange")}
        for name in self.modules:
            (folder / name).mkdir()
            mark = folder / name / "ran"
            self.file(name).write_text(f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n")

    def file(self, name: str) -> Path:
        return self.folder / name / f"{self.modules[name]}.py"

    def ran(self) -> list[str]:
        return [path.parent.name for path in sorted(self.folder.glob("*/ran"))]

    def study(self, folder: str, module: str) -> Path:
        """Write a study file into `folder`, whose student is made by `module`."""
        name = self.modules.get(module, module)
        text = STUDY.replace('"cifar_resnet20"\nwidth', f'"{name}:make"\nwidth')
        assert text != STUDY
        file = self.folder / folder / "study.toml"
        file.write_text(text)
        return file


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize(
    ("folder", "module"),
    [
        ("own", "os"),
        ("own", "subprocess"),
        ("own", "torch.hub"),
        ("own", "sys"),
        ("strange", "strange"),
        # What it imports may lie beside the study.
        ("strange", "own"),
    ],
)
@pytest.mark.parametrize("command", ["run", "profile"])
def test_a_study_from_elsewhere_and_what_is_installed_are_refused(place, command, folder, module):
    file = place.study(folder, module)
    before = tree(place.folder)
    ended = run_here(command, "--study", file, cwd=place.folder / "own")
    assert ended.returncode == 2
    (said,) = ended.stderr.splitlines()
    name = place.modules.get(module, module)
    assert said.startswith(
        f"distilfront: {file} names code to import, and so to run: {name} (from '"
    )
    assert said.endswith("'); --trust-modules lets it") == (folder == "own")
    assert said.endswith(f", with what else lies in '{file.parent}'; --trust-modules lets it") == (
        folder == "strange"
    )
    assert module not in place.modules or str(place.file(module)) in said
    assert tree(place.folder) == before


def test_ones_own_and_what_is_trusted_runs_and_nothing_else(place):
    here = place.folder / "own"
    ended = run_here("run", "--study", place.study("own", "own").name, cwd=here)
    assert (ended.returncode, place.ran()) == (2, ["own"])
    assert "has no function 'make'" in ended.stderr
    file = place.study("strange", "strange")
    ended = run_here("run", "--dry-run", "--study", file, "--trust-modules", cwd=here)
    assert (ended.returncode, place.ran()) == (2, ["own", "strange"])
    assert "has no function 'make'" in ended.stderr


def test_no_home_folder_is_ones_own(place, monkeypatch):
    monkeypatch.setenv("HOME", str(place.folder / "own"))
    file = place.study("own", "own")
    for here in (place.folder, place.folder / "own"):
        said = run_here("run", "--study", file, cwd=here).stderr
        assert said.endswith("--trust-modules lets it\n")
    assert place.ran() == []


def recipe(place: Place, module: str) -> Path:
    """Write a recipe into the folder `own`, whose student is made by `module`."""
    config = load_study(str(place.study("own", module)))
    name = place.modules.get(module, module)
    student = StudentConfig(Network(f"{name}:make", 0.5, image_size=16), (Distill(),), 0)
    scheme = scheme_named("fp32")
    written = Recipe(config.setup(), ChainConfig(student, scheme), scheme, "tiny", 1)
    file = place.folder / "own" / "config.toml"
    file.write_text(written.to_toml())
    return file


def test_a_recipe_is_asked_for_wherever_it_lies(place):
    here = place.folder / "own"
    for module, origin in (("os", "os.py'"), ("own", f"{place.file('own')}'")):
        before = tree(here) if recipe(place, module) else {}
        ended = run_here("retrain", "config.toml", cwd=here)
        assert ended.returncode == 2
        (said,) = ended.stderr.splitlines()
        assert said.startswith("distilfront: config.toml names code to import, and so to run: ")
        assert f"{origin})" in said
        assert said.endswith("; --trust-modules lets it")
        assert tree(here) == before
    ended = run_here("retrain", "config.toml", "--trust-modules", cwd=here)
    assert (ended.returncode, place.ran()) == (2, ["own"])
    assert "has no function 'make'" in ended.stderr


def test_to_read_a_study_imports_nothing(place):
    config = load_study(str(place.study("strange", "strange")))
    database = place.folder / "own" / "runs" / config.name / "study.db"
    database.parent.mkdir(parents=True)
    storage = open_storage(database)
    create_or_resume(config, storage)
    storage.engine.dispose()
    ended = run_here("status", "--study", config.name, cwd=place.folder / "own")
    assert ended.returncode == 0, ended.stderr
    assert place.ran() == []


@pytest.mark.parametrize("answer", ["yes", "y", ""])
def test_on_a_terminal_a_typed_yes_lets_it(place, monkeypatch, answer):
    monkeypatch.chdir(place.folder / "own")
    name = place.modules["strange"]
    asked = ([f"{name}:make"], [str(place.folder / "strange")], "it")
    user, terminal = pty.openpty()
    os.write(user, f"{answer}\n".encode())
    with os.fdopen(terminal) as stdin, os.fdopen(terminal, "w", closefd=False) as stderr:
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(sys, "stderr", stderr)
        if answer == "yes":
            allow_modules(*asked, trusted=False)
        else:
            with pytest.raises(InputError, match="nothing was imported, as the answer was not yes"):
                allow_modules(*asked, trusted=False)
        monkeypatch.undo()
        shown = ""
        while "Type yes to let it: " not in shown:
            shown += os.read(user, 4096).decode()
    os.close(user)
    assert f"code to import, and so to run: {name} (from '{place.file('strange')}')" in shown
    assert is_trusted(name) == (answer == "yes")
    assert place.ran() == []
