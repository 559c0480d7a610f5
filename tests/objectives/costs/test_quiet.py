"""A machine that was busy while costs were measured: told of, and measured again."""

from dataclasses import replace

import pytest

from objectives.costs.quiet import measured_in_quiet, wait_for_quiet
from tests.search import fabricated


def table(unevenness):
    """Return a cost table of a machine whose teacher's p95 is so many times its median."""
    costs = fabricated.cost_table()
    teacher = replace(costs.costs[0], network=costs.teacher, layout="fp32", median_ms=2.0)
    itself = replace(teacher, p95_ms=2.0 * unevenness)
    return replace(costs, costs=(itself, *costs.costs))


@pytest.mark.parametrize(
    ("measured", "is_quiet_later", "kept", "said"),
    [
        ([1.3], True, 1.3, []),
        ([13.0, 1.4], True, 1.4, ["13.0 times its median or longer; waiting", "again"]),
        ([13.0, 14.0], True, 13.0, ["waiting 10 s", "measured again", "took 13.0 times"]),
        ([13.0], False, 13.0, ["waiting", "took 13.0 times"]),
    ],
)
def test_a_busy_machine_is_told_of_and_measured_again(measured, is_quiet_later, kept, said):
    tables, words = iter(map(table, measured)), []
    found = measured_in_quiet(lambda: next(tables), words.append, lambda: is_quiet_later)
    assert found.unevenness == pytest.approx(kept)
    assert bool(found.busy_words) == (kept > 3)
    assert len(words) == len(said)
    assert all(part in told for part, told in zip(said, words, strict=True))
    assert next(tables, None) is None


def test_waiting_for_quiet_comes_to_an_end():
    assert wait_for_quiet(patience_s=0.0) in {True, False}
