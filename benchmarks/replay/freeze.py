"""Which code ran, and whether a table was recorded before the strategy was frozen or after it."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from spaces import InputError

STRATEGY_PATHS = (
    "search",
    "studies/records",
    "objectives/fronts/pareto.py",
    "benchmarks/replay/strategies.py",
    "benchmarks/peers",
)
"""What makes a strategy: after the freeze none of it may change."""

EARLIER_PATHS = ("objectives/pareto.py", "benchmarks/strategies.py")
"""Where some of it lay before there were rooms: the freeze and the runs of a page can be older, and
a diff that knew only one of a file's names would take it for new, or for gone."""

_PATHS = STRATEGY_PATHS + EARLIER_PATHS


@dataclass(frozen=True)
class Freeze:
    """The commit that froze the strategies."""

    commit: str
    date: datetime
    words: str
    """Its subject."""

    def precedes(self, meta: Mapping[str, Any]) -> bool:
        """Say whether a table with this `meta` was recorded, from its first student on, after it.

        Tables that say nothing of when they were begun count as begun when they were written, and
        those that say nothing at all as recorded before.
        """
        begun = meta.get("begun", meta.get("recorded"))
        return begun is not None and datetime.fromisoformat(begun) > self.date

    def changed_until(self, commit: str) -> tuple[str, ...]:
        """Return the files of the strategies that differ between the freeze and `commit`.

        A `+` after a commit stands for files that differed from it, which nobody can name now.
        """
        clean = commit.removesuffix("+")
        names = _git("diff", "--name-only", self.commit, clean, "--", *_PATHS).split()
        return (*names, *(["files that were not committed"] if clean != commit else []))


def freeze_of(commit: str | None) -> Freeze:
    """Return the freeze at `commit`, by default the last one that changed a strategy.

    Raises InputError when git knows no such commit.
    """
    if commit is None:
        commit = _git("log", "-1", "--format=%h", "--", *_PATHS)
    name, date, words = _git("show", "-s", "--format=%h%n%cI%n%s", commit).split("\n", 2)
    return Freeze(name, datetime.fromisoformat(date), words)


def code_commit() -> str:
    """Return the commit of the code, with a + when its files differ from it."""
    name = _git("rev-parse", "--short", "HEAD")
    paths = ("*.py", "*.toml")
    return name + ("+" if _git("status", "--porcelain", "--", *paths) else "")


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parents[2]), *arguments]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode:
        raise InputError(f"git {' '.join(arguments)}: {said.stderr.strip()}")
    return said.stdout.strip()
