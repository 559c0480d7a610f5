"""Searches compared seed by seed: ratios that can be checked by hand."""

from dataclasses import replace

import pytest

from benchmarks.replay.paired import report
from benchmarks.replay.run_record import RunRecord, Stops
from spaces import InputError


def run(table, seed, compute_s, strategy="ours", spent_s=100.0, workers=1):
    return RunRecord(
        strategy, table, "d", seed, workers, "99 %", compute_s, compute_s, spent_s, (), (), (),
        Stops(*[0] * 9), 1.0, {}, 1, 1, 1.0, "c",
    )  # fmt: skip


def test_ratios_are_of_the_same_seeds_and_every_table_counts_alike():
    old = [run("a", seed, (10.0, 10.0, 10.0)) for seed in range(3)] + [run("b", 0, (8.0, 8.0, 8.0))]
    new = [
        run("a", 0, (20.0, 10.0, 5.0)),
        run("a", 1, (5.0, 10.0, 20.0)),
        run("b", 0, (4.0, 8.0, 2.0)),
        run("b", 7, (1.0, 1.0, 1.0)),
        run("a", 2, (1.0, 1.0, 1.0), workers=8),
    ]
    rows = report(new, old).splitlines()
    assert rows[2] == "| a | 2 | 1.00 | 1.00 | 1.00 |"
    assert rows[3] == "| b | 1 | 0.50 | 1.00 | 0.25 |"
    # On a two seeds are log 2 above and below the mean: 0.693 / sqrt(2) / 2 tables = 0.245.
    assert rows[4] == "| all | 3 | 0.71 (± 0.17) | 1.00 (± 0.00) | 0.50 (± 0.12) |"
    assert len(rows) == 5


def test_what_was_never_reached_counts_as_what_was_spent_and_is_said():
    old, new = [run("a", 0, (10.0, 10.0, 10.0))], [run("a", 0, (10.0, None, None), spent_s=40.0)]
    rows = report(new, old).splitlines()
    assert rows[2] == "| a | 1 | 1.00 | 4.00 | 4.00 |"
    assert rows[-1].startswith("In 1 pairs")


def test_strategies_that_share_nothing_are_refused():
    old = [run("a", 0, (10.0, 10.0, 10.0))]
    assert "| a | 1 | 1.00" in report([replace(old[0], strategy="x")], old, "x")
    with pytest.raises(InputError, match="'nobody' and 'ours' have no table and seed in common"):
        report(old, old, "nobody")
