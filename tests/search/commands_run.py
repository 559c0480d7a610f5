"""Commands as a user runs them, in a folder of their own."""

import contextlib
import io
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from unittest import mock

from search.main import main

ROOT = Path(__file__).parents[2]


def command_line(*arguments: object) -> list[str]:
    """Return the words of `python -m search.ARGUMENTS`."""
    first, *rest = map(str, arguments)
    return [sys.executable, "-m", f"search.{first}", *rest]


def environment(**variables: str) -> dict[str, str]:
    """Return an environment in which the packages of this repository are found."""
    settled = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}
    return {key: value for key, value in os.environ.items() if key != "COLUMNS"} | settled


def run_command(
    *arguments: object, cwd: Path, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run `python -m search.ARGUMENTS` to its end and return what it said."""
    return subprocess.run(
        command_line(*arguments),
        cwd=cwd,
        env=environment(**variables),
        capture_output=True,
        encoding=variables.get("PYTHONIOENCODING", "utf-8"),
        timeout=300,
        check=False,
    )


def run_here(*arguments: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run `distilfront ARGUMENTS` in this process, where the imports of seconds are done."""
    out, err = io.StringIO(), io.StringIO()
    words = ["distilfront", *map(str, arguments)]
    with (
        contextlib.chdir(cwd),
        mock.patch.object(sys, "argv", words),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def refused(*arguments: object, cwd: Path, lines: int = 1) -> str:
    """Run a command that must refuse, and return what it says."""
    before = tree(cwd)
    ended = run_here(*arguments, cwd=cwd)
    assert ended.returncode == 2, ended.stderr
    assert tree(cwd) == before
    return one_refusal(ended.stderr, lines)


def one_refusal(said: str, lines: int = 1) -> str:
    """Return the words of a refusal that has as many lines as it should."""
    assert said.startswith("distilfront: ")
    assert len(said.splitlines()) == lines, said
    return said.removeprefix("distilfront: ").rstrip("\n")


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file under `folder` with its bytes, every folder, and what databases say."""
    return {
        str(path.relative_to(folder)): _content(path)
        for path in sorted(folder.rglob("*"))
        if not path.name.endswith(("-shm", "-wal"))
    }


def _content(path: Path) -> bytes:
    if path.is_symlink():
        return f"(link to {path.readlink()})".encode()
    if path.is_dir():
        return b"(folder)"
    if path.suffix == ".db":
        # Its bytes move between it and the write-ahead log, whoever opens it.
        with (
            contextlib.suppress(sqlite3.DatabaseError),
            contextlib.closing(sqlite3.connect(path)) as connection,
        ):
            return "\n".join(connection.iterdump()).encode()
    return path.read_bytes()
