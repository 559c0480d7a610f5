"""The harness of the timings: takes times again and again, in turns, and prints them.

A script measures callables and prints a table row by row; --json prints a line of JSON a row
instead, with figures as they were measured, to compare two checkouts or two machines.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

Action = Callable[[], object]
Result = TypeVar("Result")

WORDS_WIDTH = 26
"""Least width of a column of words: rows are printed before the longest is known."""


@dataclass(frozen=True)
class Times:
    """Seconds of wall-clock that each measurement of one thing took, in their order."""

    seconds: Sequence[float]

    @property
    def median_s(self) -> float:
        """Median, in seconds."""
        return median(self.seconds)

    @property
    def median_ms(self) -> float:
        """Median, in milliseconds."""
        return 1e3 * self.median_s

    @property
    def slowest_ms(self) -> float:
        """The slowest, in milliseconds."""
        return 1e3 * max(self.seconds)

    def over(self, other: "Times") -> float:
        """Return the ratio of the medians; of what was measured in turns it holds when busy too."""
        return self.median_s / other.median_s


def stopwatch() -> Callable[[], float]:
    """Return what says how many seconds have passed since this call."""
    begun = time.perf_counter()
    return lambda: time.perf_counter() - begun


def timed(action: Callable[[], Result]) -> tuple[float, Result]:
    """Return the seconds that `action` takes, and what it returns."""
    passed = stopwatch()
    result = action()
    return passed(), result


def measure(actions: Iterable[Action], *, warm_up: int = 0) -> Times:
    """Return the times of `actions`, one after the other, without the first `warm_up`.

    What a generator does between two of them is not timed.
    """
    taken_s = [timed(action)[0] for action in actions]
    return Times(taken_s[warm_up:])


def in_turns(
    alternatives: Mapping[str, Action], rounds: int, *, warm_up: int = 0
) -> dict[str, Times]:
    """Return the times of each alternative, measured in turns so that a slow spell meets all.

    warm_up: rounds before those, which do not count.
    """
    taken_s: dict[str, list[float]] = {name: [] for name in alternatives}
    for _ in range(warm_up + rounds):
        for name, action in alternatives.items():
            taken_s[name].append(timed(action)[0])
    return {name: Times(its_s[warm_up:]) for name, its_s in taken_s.items()}


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser for a script with that docstring; it knows --json."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n", 1)[0])
    parser.add_argument("--json", action="store_true", help="a line of JSON a row, no tables")
    return parser


class TablePrinter:
    """Prints tables row by row, as Markdown or, with `as_json`, as lines of JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._columns: Mapping[str, str] = {}

    def head(self, columns: Mapping[str, str], *, words: str = "") -> None:
        """Begin a table: the format of each column's values by its name, "" where they are words.

        words: a line above the table, which JSON leaves out.
        """
        another, self._columns = bool(self._columns), columns
        if self._as_json:
            return
        if another:
            print()
        if words:
            print(f"{words}\n")
        self._print_line(columns)
        self._print_line(
            "-" * (_width(name, form) - 1) + (":" if form else "-")
            for name, form in columns.items()
        )

    def row(self, *values: object) -> None:
        """Print a row of the table that was begun last; ValueError for too few or too many."""
        figures = dict(zip(self._columns, values, strict=True))
        if self._as_json:
            print(json.dumps(figures), flush=True)
        else:
            self._print_line(format(figures[name], form) for name, form in self._columns.items())

    def _print_line(self, cells: Iterable[str]) -> None:
        """Print cells as wide as their heads, words to the left and figures to the right."""
        padded = (
            cell.rjust(_width(name, form)) if form else cell.ljust(_width(name, form))
            for cell, (name, form) in zip(cells, self._columns.items(), strict=True)
        )
        print(f"| {' | '.join(padded)} |", flush=True)


def _width(name: str, form: str) -> int:
    return max(len(name), 3 if form else WORDS_WIDTH)
