"""The front against the teacher, as a table for the terminal, however wide it is."""

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table

from reports.advice import advise
from reports.rows import Row, baseline_rows, front_rows, teacher_row
from reports.summary import StudySummary
from reports.tables import COLUMNS, Column

_LUXURIES = ("parameters", "FLOPs", "p95", "F1")
"""Shown where all the words of "what" fit as well; dropped in this order."""

_DROPPED_NEXT = ("95 %", "on front", "test", "smaller", "faster", "what", "scheme")
"""What a narrow terminal does without: figures that are cut say nothing, or something else."""

_WHAT, _LEAST_WHAT = "what", 20
"""The one column of words: it may end in an ellipsis, but not sooner than this."""

_BETWEEN = 2
"""Characters that each column adds beside its text."""


def front_table(summary: StudySummary, width: int) -> Table:
    """Return the front against the teacher and the baselines in at most `width` characters.

    As many columns as fit, no figure cut; the fewest need about 45 characters.
    """
    sections = list(_sections(summary))
    rows = [row for section, _ in sections for row in section]
    columns = _fitting(rows, width)
    taken = sum(_BETWEEN + _width(column, rows) for column in columns if column.title != _WHAT)
    table = Table(
        title=f"Front of {summary.name} against its teacher{summary.measure_note}",
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in columns:
        left = width - taken - _BETWEEN if column.title == _WHAT else width
        table.add_column(
            column.title,
            justify="right" if column.numeric else "left",
            no_wrap=True,
            overflow="ellipsis",
            width=min(_width(column, rows), left),
        )
    chosen = advise(summary).point
    for section, style in sections:
        for row in section:
            is_chosen = chosen is not None and row.trial == chosen.number
            cells = [_text(column, row) for column in columns]
            table.add_row(*cells, style="bold green" if is_chosen else style)
        table.add_section()
    return table


def _sections(summary: StudySummary) -> Iterator[tuple[Sequence[Row], str]]:
    """Yield rows that belong together, and their style."""
    yield [teacher_row(summary)], "bold"
    yield front_rows(summary), ""
    on_front = {number for member in summary.front for number in member.numbers}
    yield [row for row in baseline_rows(summary) if row.trial not in on_front], "dim"


def _fitting(rows: Sequence[Row], width: int) -> list[Column]:
    columns = list(COLUMNS)
    for title in (*_LUXURIES, *_DROPPED_NEXT):
        needs = _width if title in _LUXURIES else _least
        if sum(_BETWEEN + needs(column, rows) for column in columns) <= width:
            break
        columns = [column for column in columns if column.title != title]
    return columns


def _least(column: Column, rows: Sequence[Row]) -> int:
    width = _width(column, rows)
    return min(width, _LEAST_WHAT) if column.title == _WHAT else width


def _width(column: Column, rows: Sequence[Row]) -> int:
    return max(cell_len(text) for text in (column.title, *(_text(column, row) for row in rows)))


def _text(column: Column, row: Row) -> str:
    also = f" +{len(row.also)}" if column.title == "trial" and row.also else ""
    return column.text(row) + also
