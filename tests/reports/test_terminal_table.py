"""The front's table on terminals of any width."""

import io

import pytest
from rich.console import Console

from reports import confirmation_table, front_table, words
from reports.rows import baseline_rows, front_rows, teacher_row
from reports.tables import COLUMNS


def drawn(summary, width):
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(front_table(summary, width))
    lines = console.export_text().rstrip("\n").split("\n")
    # A long title takes two lines of a narrow table.
    return lines[next(i for i, line in enumerate(lines) if line.startswith("trial ")) :]


@pytest.mark.parametrize("width", [48, 60, 80, 100, 120, 140, 180, 240])
def test_no_figure_is_cut_and_no_line_is_longer_than_the_terminal(summary, width):
    lines = drawn(summary, width)
    assert max(map(len, lines)) <= width
    shown = [column for column in COLUMNS if f" {column.title} " in f" {lines[0]} "]
    assert {"trial", "accuracy", "size", "latency"} <= {column.title for column in shown}
    rows = [teacher_row(summary), *front_rows(summary)]
    for row in rows:
        label = "teacher" if row.trial is None else str(row.trial)
        line = next(line for line in lines[2:] if line.split(" ")[0] == label)
        for column in shown:
            if column.title != "what":
                assert column.text(row) in line, (column.title, width)
        assert line.count("…") <= ("what" in {column.title for column in shown})


def test_a_wider_terminal_shows_no_less(summary):
    before: set[str] = set()
    for width in range(48, 300, 20):
        header = drawn(summary, width)[0]
        shown = {column.title for column in COLUMNS if f" {column.title} " in f" {header} "}
        assert before <= shown
        before = shown
    assert before == {column.title for column in COLUMNS}


def test_every_row_takes_one_line(summary):
    rows = 1 + len(front_rows(summary)) + len(baseline_rows(summary))
    filled = [line for line in drawn(summary, 80)[2:] if line.strip()]
    assert len(filled) <= rows


@pytest.mark.parametrize("width", [80, 140])
def test_what_confirming_changed_keeps_its_figures_on_a_narrow_terminal(summary, width):
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(confirmation_table({}, summary))
    said = console.export_text()
    assert max(map(len, said.split("\n"))) <= width
    assert "…" not in said
    for member in summary.front:
        line = next(line for line in said.split("\n") if line.startswith(f"{member.point.number} "))
        assert words.percent(member.point.accuracy) in line
        assert line.rstrip().endswith("%")
