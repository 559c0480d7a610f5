"""What sources published: that our studies have their rows, at both scales."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.methods.outcomes import student_of
from benchmarks.sources.measured import Maker, name_of, read_found
from benchmarks.sources.published import (
    SOURCES,
    Row,
    Scale,
    Source,
    Table,
    only,
    read_source,
    study_of,
)
from spaces import ANY_LAYOUT, InputError, scheme_named
from studies import load_study

TABLES = [(name, table.name) for name in SOURCES for table in read_source(name).tables]

TINY = """
name = "tiny"

[data]
name = "digits"
train_limit = 200
validation_limit = 50
test_limit = 50

[teacher]
architecture = "cifar_resnet20"
width = 0.25

[teacher.training]
epochs = 1

[chain]
stages = ["distill"]

[space.network]
architecture = "cifar_resnet20"
width = 0.25

[space.distill]
method = ["none", "logit"]
epochs = 1
"""


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_is_a_study_that_runs_on_embedded_data(name: str) -> None:
    source = read_source(name)
    assert load_study(name).name == name
    assert load_study(name, list(source.tried)).setup().data.name == "digits"
    assert source.claims
    assert source.differences


@pytest.mark.parametrize(("name", "table"), TABLES)
def test_a_study_has_every_row_of_a_table(name: str, table: str) -> None:
    made = read_source(name).table(table)
    for scale in filter(None, (made.full, made.small)):
        if scale.journals:
            continue
        config = load_study(study_of(scale), list(scale.set))
        space = config.search_space()
        found = [(student_of(space, row.answers), row) for row in made.rows if row.answers]
        assert len({(student, row.scheme) for student, row in found}) == len(found) > 1
        for student, row in found:
            layout = student.stages[-1].trained_for
            assert layout in {ANY_LAYOUT, scheme_named(row.scheme).layout.key}


@pytest.mark.parametrize(("name", "table"), TABLES)
def test_rows_are_told_apart_and_held_against_others_of_the_table(name: str, table: str) -> None:
    made = read_source(name).table(table)
    assert max(Counter(row.label for row in made.rows).values()) == 1
    for row in made.rows:
        assert scheme_named(row.scheme)
        assert row.published is None or 0 < row.published < 100
        assert made.base_of(row) is None or made.base_of(row) in made.rows
        assert row.ours or row.differs
    if made.small is not None and made.small.journals:
        known = {row.label for row in made.rows if row.known}
        assert set(read_found(read_source(name), made, "small")) == known


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="sources are thesis, ucsd, lums, model_eff"):
        read_source("mine")
    lums = read_source("lums")
    with pytest.raises(InputError, match="lums has no table mine: there is distillation, quant"):
        lums.table("mine")
    with pytest.raises(InputError, match="the table pruning has no scale small"):
        replace(lums.table("pruning"), small=None).scale("small")
    with pytest.raises(InputError, match="no row mine: there is baseline, weights"):
        only(lums.table("pruning").rows, "mine")


def test_rows_are_made_once_and_then_read_from_the_journal(tmp_path: Path) -> None:
    study = tmp_path / "tiny.toml"
    study.write_text(TINY)
    rows = (
        Row("teacher", teacher=True),
        Row("alone", answers={"distill.method": "none"}),
        Row("alone, int8", answers={"distill.method": "none"}, scheme="int8_weight_only"),
        Row("theirs alone", 50.0),
    )
    table = Table("rows", "Rows", rows, full=Scale("tiny", str(study), seeds=(0, 1)))
    source = Source("tiny", "Tiny", (), (), (), (), (table,))
    found = Maker(source, table, "full", tmp_path / "work").make(rows)
    assert [len(found[row.label]) for row in rows[:3]] == [1, 2, 2]
    assert "theirs alone" not in found
    files = [found[row.label][0].size_bytes for row in rows[:3]]
    assert files[0] == files[1] > files[2]
    assert all(one.latency_ms is None for one in found["alone"])
    journal = tmp_path / "work" / "sources.jsonl"
    lines = journal.read_text()
    assert name_of(source, table, "full", rows[2], 1) in lines
    assert Maker(source, table, "full", tmp_path / "work").make(rows) == found
    assert journal.read_text() == lines
    other = replace(source, name="other")
    with pytest.raises(InputError, match=r"distill\.method must be what the study has"):
        Maker(other, table, "full", tmp_path / "work").make(
            [Row("DKD", answers={"distill.method": "dkd"})]
        )
