"""A source's rows beside ours, with a column of what differs.

    python -m benchmarks.sources.table --source lums [--table quantization] [--scale small|full]
        [--work WORK] [--seeds 1] [--rows "KD,KD + LoRA"] [--journal FILE] [--set key=value]...

`published/SOURCE.toml` says what the source reports, by which settings ours has each row, and what
differs. At full scale a study trains them as the source had it, which takes a GPU; at small scale
by fewer epochs of smaller data, or what a journal of this repository has already is shown. What is
trained is kept in WORK, and what a row came to in the journal there (or in --journal), so it can be
interrupted and run again. Accuracies are of the test split, in points, of the artifact; latencies
of one image on one thread, beside the teacher's fp32 file in the same minutes. `change`: beside the
row that the table holds it against, paired by seed, with the standard error over seeds.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean

from benchmarks.methods.outcomes import spread
from benchmarks.script import run_script
from benchmarks.sources.measured import Figures, Found, Maker, read_found
from benchmarks.sources.published import SOURCES, Row, Source, Table, only, read_source

_MEGABYTE = 1e6


def main() -> None:
    """Make what is missing and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", required=True, help=", ".join(SOURCES))
    parser.add_argument("--table", help="only this one; by default all")
    parser.add_argument("--scale", choices=("small", "full"), default="small")
    parser.add_argument("--work", type=Path, default=Path("runs/sources"), help="stage cache")
    parser.add_argument("--seeds", type=int, help="the first so many of the source's")
    parser.add_argument("--rows", help="only these, with commas")
    parser.add_argument("--journal", type=Path, help="default: WORK/sources.jsonl")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    options = parser.parse_args()
    source = read_source(options.source)
    tables = [source.table(options.table)] if options.table else list(source.tables)
    for table in tables:
        rows = only(table.rows, options.rows)
        if options.scale == "small" and table.small is None:
            print(f"{table.title}: nothing of it was made at small scale.\n")
            continue
        if table.scale(options.scale).journals:
            found = read_found(source, table, options.scale)
        else:
            maker = Maker(
                source, table, options.scale, options.work, options.overrides, options.journal
            )
            found = maker.make(rows, options.seeds)
        title, *lines = beside(table, rows, found, options.scale)
        changed = "".join(f" --set {setting}" for setting in options.overrides)
        print(title + changed, *lines, "", sep="\n", flush=True)
    print(*(f"- {difference}" for difference in source.differences), sep="\n")


def beside(table: Table, rows: Sequence[Row], found: Found, scale: str) -> list[str]:
    """Return the title, the scale, the table in Markdown and its differences.

    found: by label, one of each seed; a row that is not there is empty. Columns in which nothing
    stands are left out.
    """
    columns = {
        head: [cell(row, found.get(row.label, [])) for row in rows]
        for head, cell in _COLUMNS.items()
        if head not in _OPTIONAL or _OPTIONAL[head] in table.shows
    }
    gains = [_gains(table, row, found) for row in rows]
    columns["theirs, change"], columns["ours, change"] = map(list, zip(*gains, strict=True))
    columns["differs"] = [row.differs for row in rows]
    shown = {head: cells for head, cells in columns.items() if any(cells)}
    lines = [
        f"{table.title}; ours: {table.scale(scale).words}.",
        "",
        f"| {' | '.join(shown)} |",
        "|" + " --- |" * len(shown),
        *(f"| {' | '.join(cells)} |" for cells in zip(*shown.values(), strict=True)),
    ]
    said = [f"- {difference}" for difference in table.differences]
    return [*lines, "", *said] if said else lines


def _gains(table: Table, row: Row, found: Found) -> tuple[str, str]:
    """Return by how many points a row is above the one that it is held against: theirs, ours."""
    base = table.base_of(row)
    if base is None:
        return "", ""
    known = None not in {row.published, base.published}
    theirs = f"{row.published - base.published:+.2f}" if known else ""
    ours, others = found.get(row.label, []), found.get(base.label, [])
    if len(others) == 1:  # The teacher, which has one seed.
        others = others * len(ours)
    pairs = zip(ours, others, strict=False)
    own = [100 * (one.accuracy - other.accuracy) for one, other in pairs]
    return theirs, f"{mean(own):+.2f}{spread(own, len(own))}" if own else ""


def _theirs(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _mean(figures: Sequence[Figures], of: Callable[[Figures], float | None], form: str) -> str:
    values = [value for one in figures if (value := of(one)) is not None]
    return format(mean(values), form) if values else ""


def _accuracy(figures: Sequence[Figures]) -> str:
    values = [100 * one.accuracy for one in figures]
    return f"{mean(values):.2f}{spread(values, 1)}" if values else ""


def _faster(one: Figures) -> float | None:
    if one.teacher_ms is None or one.latency_ms is None:
        return None
    return one.teacher_ms / one.latency_ms


_COLUMNS: Mapping[str, Callable[[Row, Sequence[Figures]], str]] = {
    "row": lambda row, _: row.label,
    "theirs": lambda row, _: _theirs(row.published, 2),
    "ours": lambda _, ours: _accuracy(ours),
    "seeds": lambda _, ours: str(len(ours)) if ours else "",
    "F1": lambda _, ours: _mean(ours, lambda one: one.f1, ".3f"),
    "KL": lambda _, ours: _mean(ours, lambda one: one.kl, ".3f"),
    "MB, theirs": lambda row, _: _theirs(row.mb, 1),
    "MB, ours": lambda _, ours: _mean(
        ours, lambda one: one.size_bytes and one.size_bytes / _MEGABYTE, ".3f"
    ),
    "ms, theirs": lambda row, _: _theirs(row.ms, 1),
    "ms, ours": lambda _, ours: _mean(ours, lambda one: one.latency_ms, ".3f"),
    "faster than the teacher": lambda _, ours: _mean(ours, _faster, ".2f"),
    "MFLOPs": lambda _, ours: _mean(ours, lambda one: one.flops and one.flops / 1e6, ".1f"),
}
_OPTIONAL = {
    "F1": "f1",
    "KL": "kl",
    "ms, theirs": "latency",
    "ms, ours": "latency",
    "faster than the teacher": "latency",
    "MFLOPs": "flops",
}
"""Columns that only tables have that ask for them."""


def command(source: Source, table: Table, scale: str) -> str:
    """Return what makes a table."""
    named = f"--source {source.name} --table {table.name} --scale {scale}"
    return f"python -m benchmarks.sources.table {named}"


if __name__ == "__main__":
    run_script(main)
