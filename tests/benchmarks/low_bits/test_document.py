"""docs/schemes.md is made of what is declared and what was measured."""

from pathlib import Path

from benchmarks.low_bits import document
from benchmarks.low_bits.document import EFFECTS, LATENCIES, PEERS, SPARSE, lines, schemes_page
from benchmarks.low_bits.schemes import names
from spaces import CALIBRATIONS, SCHEMES


def test_the_page_is_what_is_made_of_the_journals() -> None:
    page = (Path(document.__file__).parents[2] / "docs" / "schemes.md").read_text("utf-8")
    assert page == schemes_page(*map(lines, (EFFECTS, LATENCIES, PEERS, SPARSE)))
    for word in (*SCHEMES, *CALIBRATIONS):
        assert f"`{word}`" in page


def test_every_scheme_of_the_tables_is_one() -> None:
    assert all(name in SCHEMES for name in names())
    assert len(set(names())) == len(list(names()))


def test_a_page_without_measurements_has_every_layout() -> None:
    page = schemes_page([], [], [])
    assert all(f"`{name}`" in page for name in SCHEMES)
