"""What `pip install .` installs: every file of the packages, and commands that need no checkout."""

import os
import shutil
import site
import subprocess
import sys
import venv
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.search.searching import STUDY

ROOT = Path(__file__).parents[1]
PACKAGES = ("search", "objectives", "spaces", "studies", "reports")


def run(*words: object, cwd: Path = ROOT) -> str:
    """Run a command to its end, PYTHONPATH unset, and return what it said; it must succeed."""
    ended = subprocess.run(
        [*map(str, words)],
        cwd=cwd,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{words}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def pip(*words: object) -> None:
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", *words)


def tracked_files(*folders: str) -> list[str]:
    """Names, relative to the checkout, of what git tracks in it and is there."""
    names = run("git", "ls-files", "-z", "--", *folders).split("\0")
    return [name for name in names if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: setuptools leaves build/ and egg-info where it builds."""
    copy, built = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("built")
    for name in tracked_files():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy / name)
    pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", built, copy)
    (file,) = built.iterdir()
    return file


def test_the_wheel_has_every_file_of_the_packages_and_no_other(wheel, tmp_path):
    pip("install", "--no-deps", "--no-index", "--no-compile", "--target", tmp_path, wheel)
    files = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    beside = {file for file in files if file.parts[0].endswith(".dist-info")}
    scripts = {file for file in files if file.parts[0] == "bin"}
    assert {file.as_posix() for file in files - beside - scripts} == {*tracked_files(*PACKAGES)}
    assert [script.stem for script in scripts] == ["distilfront"]
    (installed,) = distributions(path=[str(tmp_path)])
    declared = [(entry.group, entry.name, entry.value) for entry in installed.entry_points]
    assert declared == [("console_scripts", "distilfront", "search.main:main")]


@pytest.fixture(scope="module")
def scripts_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of a new environment that has the wheel."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    pip("--python", folder, "install", "--no-deps", "--no-index", wheel)
    # The dependencies are those of the environment of the tests. Python reads no .pth file of a
    # folder that a .pth file names, so an editable install there is not seen.
    where = run(scripts / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    Path(where.strip(), "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    named = f"print(*(p.__file__ for p in map(__import__, {PACKAGES})), sep='\\n')"
    found = run(scripts / "python", "-c", named, cwd=folder).splitlines()
    assert all(Path(file).is_relative_to(folder) for file in found), found
    return scripts


@pytest.mark.long
def test_the_wheel_searches_exports_and_reports_away_from_the_checkout(scripts_folder, tmp_path):
    distilfront = scripts_folder / "distilfront"
    (tmp_path / "tiny.toml").write_text(STUDY)
    run(distilfront, "run", "--study", "tiny.toml", "--trials", "2", cwd=tmp_path)
    run(distilfront, "export", "--study", "tiny", cwd=tmp_path)
    exported = {path.name for path in (tmp_path / "best").iterdir()}
    assert {"README.md", "config.toml", "model.onnx"} <= exported
    run(distilfront, "report", "--study", "tiny", "--out", "page", cwd=tmp_path)
    assert (tmp_path / "page" / "report.html").is_file()
