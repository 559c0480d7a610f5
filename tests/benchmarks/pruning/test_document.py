"""docs/pruning.md is made of what was measured."""

from pathlib import Path

from benchmarks.pruning import document
from benchmarks.pruning.document import NETWORKS, costs_of, page, read
from studies import load_study


def test_the_page_is_what_the_journals_say():
    kept = Path(document.__file__).parents[2] / "docs" / "pruning.md"
    assert kept.read_text("utf-8") == page()


def test_every_figure_of_costs_stands_on_it():
    text = page()
    for study in NETWORKS:
        for line in read(costs_of(study)):
            assert f"{line['bytes']:,} (" in text
            assert f"`{line['network']}`" in text


def test_its_studies_can_be_read():
    for study in (*NETWORKS, "joint"):
        load_study(str(Path(document.__file__).with_name(f"{study}.toml")), [])
