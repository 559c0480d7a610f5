"""A source's table beside ours: that our studies have its rows, and what is said of them."""

from pathlib import Path

import pytest

from benchmarks.methods import beside as module
from benchmarks.methods.beside import Row, Source, beside, read_source
from benchmarks.methods.outcomes import student_of
from spaces import InputError, scheme_named
from studies import load_study

STUDIES = sorted(path.stem for path in Path(module.__file__).parent.glob("published/*.toml"))


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_has_every_row_of_its_source(name: str) -> None:
    space, rows = load_study(name).search_space(), read_source(name).rows
    students = [student_of(space, row.answers) for row in rows if row.answers]
    assert len(set(students)) == len(students) > 1
    for row in rows:
        assert row.published is None or 0 < row.published < 100
        assert scheme_named(row.scheme)


def test_gains_are_over_the_student_alone_paired_by_seed() -> None:
    rows = (
        Row("teacher", 72.0),
        Row("alone", 69.0, {"distill.method": "none"}),
        Row("KD", 70.5, {"distill.method": "logit"}),
    )
    table = beside(
        Source("Somebody 2020", ("other seeds",), rows), rows, [[0.5], [0.4, 0.44], [0.42, 0.44]]
    )
    assert table[4:] == [
        "| teacher | 72.00 | 50.00 |  |  |",
        "| alone | 69.00 | 42.00 ± 2.83 |  |  |",
        "| KD | 70.50 | 43.00 ± 1.41 | +1.50 | +1.00 ± 1.00 |",
        "",
        "- other seeds",
    ]


def test_what_a_study_does_not_have_is_named() -> None:
    space = load_study("kd_methods").search_space()
    with pytest.raises(
        InputError, match=r"distill\.dkd\.beta must be what the study has, 2, 8, got 4"
    ):
        student_of(space, {"distill.method": "dkd", "distill.dkd.beta": 4})
    with pytest.raises(
        InputError, match="nothing published is kept for the study mine: there is kd"
    ):
        read_source("mine")
