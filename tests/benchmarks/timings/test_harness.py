"""The harness measures what it is told to, in the order it says, and prints it either way."""

import json

import pytest

from benchmarks.timings.harness import TablePrinter, Times, in_turns, measure, parser_of, timed

COLUMNS = {"what": "", "trials": ",", "seconds": ".2f"}


def test_a_generator_works_between_what_is_measured_and_the_warm_up_is_left_out():
    did = []

    def actions():
        for number in range(4):
            did.append(f"before {number}")
            yield lambda number=number: did.append(f"measured {number}")
            did.append(f"after {number}")

    times = measure(actions(), warm_up=1)
    assert len(times.seconds) == 3
    assert did == [f"{when} {i}" for i in range(4) for when in ("before", "measured", "after")]


def test_alternatives_take_turns_and_their_warm_up_is_left_out():
    did = []
    ours, theirs = (lambda: did.append("ours")), (lambda: did.append("theirs"))
    times = in_turns({"ours": ours, "theirs": theirs}, 2, warm_up=1)
    assert did == ["ours", "theirs"] * 3
    assert {name: len(its.seconds) for name, its in times.items()} == {"ours": 2, "theirs": 2}


def test_what_is_timed_returns_what_it_returns():
    seconds, result = timed(lambda: 7)
    assert seconds >= 0
    assert result == 7


def test_times_are_summed_up_in_their_units():
    times = Times([0.001, 0.004, 0.002])
    assert (times.median_s, times.median_ms, times.slowest_ms) == pytest.approx((0.002, 2, 4))
    assert times.over(Times([0.001])) == pytest.approx(2)


def test_tables_are_markdown_one_after_the_other(capsys):
    printer = TablePrinter(as_json=False)
    printer.head(COLUMNS, words="On an idle machine")
    printer.row("a ruling", 10_000, 0.125)
    printer.head({"size": "d"})
    printer.row(3)
    assert capsys.readouterr().out.splitlines() == [
        "On an idle machine",
        "",
        "| what                       | trials | seconds |",
        "| -------------------------- | -----: | ------: |",
        "| a ruling                   | 10,000 |    0.12 |",
        "",
        "| size |",
        "| ---: |",
        "|    3 |",
    ]


def test_json_is_a_line_a_row_with_figures_as_they_were_measured(capsys):
    printer = TablePrinter(as_json=parser_of("It.\n\nMore.").parse_args(["--json"]).json)
    printer.head(COLUMNS, words="On an idle machine")
    printer.row("a ruling", 10_000, 0.125)
    assert json.loads(capsys.readouterr().out) == {
        "what": "a ruling",
        "trials": 10_000,
        "seconds": 0.125,
    }


@pytest.mark.parametrize("as_json", [True, False])
def test_a_row_has_a_value_for_every_column(as_json):
    printer = TablePrinter(as_json=as_json)
    printer.head(COLUMNS)
    with pytest.raises(ValueError, match="shorter"):
        printer.row("a ruling", 10_000)
