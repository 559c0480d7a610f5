"""--help of every command: quick, without torch, and one meaning for one option."""

import inspect
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from typer.models import OptionInfo

from search import clean, confirm, dashboard, export, new, profile, report, retrain, run, status
from tests.search.commands_run import ROOT, environment

COMMANDS = {
    "run": run.run,
    "status": status.status,
    "report": report.report,
    "export": export.export,
    "retrain": retrain.retrain,
    "confirm": confirm.confirm,
    "profile": profile.profile,
    "new": new.new,
    "clean": clean.clean,
    "dashboard": dashboard.dashboard,
}
HEAVY = ("torch", "optuna", "onnxruntime", "plotly", "sqlalchemy", "sklearn", "peft")


def helped(arguments: list[str], cwd: Path) -> str:
    """Run a module's main with --help and return what it prints, with the heavy modules it took."""
    module, *rest = arguments
    program = (
        "import runpy, sys\n"
        f"sys.argv = {[module, *rest, '--help']!r}\n"
        "try:\n"
        f"    runpy.run_module('search.{module}', run_name='__main__')\n"
        "finally:\n"
        f"    print('took', sorted(set({HEAVY!r}) & sys.modules.keys()))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return ended.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_every_option_and_imports_nothing_heavy(command, tmp_path):
    said = helped([command], tmp_path)
    assert said.splitlines()[-1] == "took []"
    assert options_of(command)
    for name in options_of(command):
        assert name in said
    assert list(tmp_path.iterdir()) == []


def test_the_console_script_has_every_command_as_a_subcommand(tmp_path):
    said = helped(["main"], tmp_path)
    assert said.splitlines()[-1] == "took []"
    for command in COMMANDS:
        assert f" {command} " in said
    assert "--pick" in helped(["main", "export"], tmp_path)


def test_the_console_script_is_installed_under_its_name():
    assert 'distilfront = "search.main:main"' in (ROOT / "pyproject.toml").read_text()


def options_of(command: str) -> dict[str, OptionInfo]:
    """Return a command's options by name."""
    found = {}
    for hint in get_type_hints(COMMANDS[command], include_extras=True).values():
        for part in get_args(hint):
            if isinstance(part, OptionInfo):
                # In an Annotated, Typer takes the first name for a default until it parses.
                found[str(part.default)] = part
    return found


def test_an_option_means_the_same_in_every_command():
    meanings: dict[str, set[tuple[object, ...]]] = {}
    for command, function in COMMANDS.items():
        defaults = inspect.signature(function).parameters
        for name, info in options_of(command).items():
            parameter = {"--set": "overrides", "--json": "as_json"}.get(name, name[2:])
            default = defaults[parameter.replace("-", "_")].default
            # Each command has a folder of its own to write.
            told = info.help if name != "--out" else "", default if name != "--out" else ""
            meanings.setdefault(name, set()).add((info.metavar, *told))
    assert {"--study", "--runs-dir", "--storage", "--set", "--out"} <= meanings.keys()
    assert {name: told for name, told in meanings.items() if len(told) > 1} == {}


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), ([], 2), (["--version"], 2)])
def test_exit_codes_of_the_bare_console_script(arguments, code, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "search.main", *arguments],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr
