"""What a source published: its claims and tables, with the studies of ours that make their rows.

Each is a file of `published/`. At full scale a table's rows are made by a study as the source had
it, which takes a GPU. At small scale they are made by less, or read from a journal that is there.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spaces import InputError, Value

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PUBLISHED = HERE / "published"


@dataclass(frozen=True)
class Row:
    """One line of a source's table."""

    label: str
    """As the source calls it."""
    published: float | None = None
    """Accuracy on test, in points; None: it gives none."""
    mb: float | None = None
    """Size that it gives, in its own megabytes."""
    ms: float | None = None
    """Latency that it gives, on its own machine."""
    answers: Mapping[str, Value] = field(default_factory=dict)
    """Settings of our student by dotted key."""
    teacher: bool = False
    """Whether it is the teacher itself, under the scheme."""
    scheme: str = "fp32"
    known: str = ""
    """What the journals of the small scale call it: a student's name without its seed, or a network
    and a scheme. Empty: they have no such row."""
    differs: str = ""
    """Wherein this row is another than the source's."""
    base: str = ""
    """Label of the row that it is held against; empty: that of the table, if it has one."""

    @property
    def ours(self) -> bool:
        """Whether a study of ours makes it."""
        return self.teacher or bool(self.answers)


@dataclass(frozen=True)
class Scale:
    """By what a table's rows are made."""

    words: str
    """Data, networks and epochs, in few words."""
    study: str = ""
    """A built-in study, or a file below the repository's root; empty: the source's."""
    set: tuple[str, ...] = ()
    """Overrides of the study."""
    seeds: tuple[int, ...] = (0,)
    journals: tuple[str, ...] = ()
    """Below the root: rows are read from there, by their `known`, and nothing is run."""


@dataclass(frozen=True)
class Table:
    """One table of a source."""

    name: str
    title: str
    rows: tuple[Row, ...]
    full: Scale
    small: Scale | None = None
    """None: nobody has made it yet."""
    differences: tuple[str, ...] = ()
    """What a reader must know before comparing, beside what each row says."""
    shows: tuple[str, ...] = ()
    """Columns beside accuracy and bytes: of f1, kl, flops, latency."""
    base: str = ""
    """Label of the row that all others but the teacher's are held against."""

    def base_of(self, row: Row) -> Row | None:
        """Return the row that one is held against; None where there is none."""
        label = row.base or ("" if row.label == "teacher" else self.base)
        if label in {"", row.label}:
            return None
        return next(one for one in self.rows if one.label == label)

    def scale(self, name: str) -> Scale:
        """Return one scale; raises InputError where the table has none of that name."""
        found = {"full": self.full, "small": self.small}.get(name)
        if found is None:
            raise InputError(f"the table {self.name} has no scale {name}")
        return found


@dataclass(frozen=True)
class Source:
    """One of the five works."""

    name: str
    """That of its study."""
    title: str
    claims: tuple[str, ...]
    """What it says, with its figures."""
    shown: tuple[str, ...]
    """What ours show of that, without figures: these stand in the tables."""
    differences: tuple[str, ...]
    tried: tuple[str, ...]
    """Overrides with which its study runs on embedded data in minutes."""
    tables: tuple[Table, ...]

    def table(self, name: str) -> Table:
        """Return a table by its name; raises InputError with the known names."""
        for table in self.tables:
            if table.name == name:
                return table
        known = ", ".join(table.name for table in self.tables)
        raise InputError(f"{self.name} has no table {name}: there is {known}")


SOURCES = ("thesis", "ucsd", "lums", "model_efficiency", "review")


def read_source(name: str) -> Source:
    """Return one of SOURCES."""
    if name not in SOURCES:
        raise InputError(f"sources are {', '.join(SOURCES)}, got {name!r}")
    values = tomllib.loads((PUBLISHED / f"{name}.toml").read_text("utf-8"))
    tables = tuple(_table(name, table) for table in values.pop("tables"))
    return Source(name=name, tables=tables, **_tuples(values))


def _table(source: str, values: dict[str, Any]) -> Table:
    rows = tuple(Row(**row) for row in values.pop("rows"))
    scales = {
        scale: Scale(**{"study": source, **_tuples(values.pop(scale))})
        for scale in ("full", "small")
        if scale in values
    }
    return Table(rows=rows, **scales, **_tuples(values))


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(one) if isinstance(one, list) else one for key, one in values.items()}


def study_of(scale: Scale) -> str:
    """Return the scale's study as `load_study` takes it."""
    return str(ROOT / scale.study) if scale.study.endswith(".toml") else scale.study


def only(rows: Sequence[Row], labels: str | None) -> tuple[Row, ...]:
    """Return the rows of these labels, with commas between, or all; raises InputError."""
    if labels is None:
        return tuple(rows)
    wanted = labels.split(",")
    if unknown := set(wanted) - {row.label for row in rows}:
        known = ", ".join(row.label for row in rows)
        raise InputError(f"no row {', '.join(sorted(unknown))}: there is {known}")
    return tuple(row for row in rows if row.label in wanted)
