"""A source's rows beside ours: what the columns say."""

from benchmarks.sources.measured import Figures
from benchmarks.sources.published import Row, Scale, Table, read_source
from benchmarks.sources.table import beside, command

ROWS = (
    Row("teacher", 72.0, teacher=True),
    Row("alone", 69.0, mb=4.0, answers={"distill.method": "none"}),
    Row("KD", 70.5, answers={"distill.method": "logit"}, differs="another T"),
)


def test_changes_are_beside_the_base_paired_by_seed_and_empty_columns_left_out() -> None:
    scales, changes = (Scale("much"), Scale("little")), "theirs, change | ours, change"
    table = Table("ways", "Ways", ROWS, *scales, differences=("other seeds",), base="alone")
    found = {
        "teacher": [Figures(0.5, 2_000_000)],
        "alone": [Figures(0.4), Figures(0.44)],
        "KD": [Figures(0.42), Figures(0.44)],
    }
    assert beside(table, table.rows, found, "small") == [
        "Ways; ours: little.",
        "",
        f"| row | theirs | ours | seeds | MB, theirs | MB, ours | {changes} | differs |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        "| teacher | 72.00 | 50.00 | 1 |  | 2.000 |  |  |  |",
        "| alone | 69.00 | 42.00 ± 2.83 | 2 | 4.0 |  |  |  |  |",
        "| KD | 70.50 | 43.00 ± 1.41 | 2 |  |  | +1.50 | +1.00 ± 1.00 | another T |",
        "",
        "- other seeds",
    ]


def test_every_seed_is_held_against_a_teacher_that_has_one() -> None:
    table = Table("ways", "Ways", ROWS[::2], Scale("much"), base="teacher")
    found = {"teacher": [Figures(0.5)], "KD": [Figures(0.42), Figures(0.44)]}
    assert "| KD | 70.50 | 43.00 ± 1.41 | 2 | -1.50 | -7.00 ± 1.00 | another T |" in beside(
        table, table.rows, found, "full"
    )


def test_latencies_stand_only_where_a_table_asks_for_them() -> None:
    figures = Figures(0.5, latency_ms=0.5, teacher_ms=1.5, f1=0.49, kl=0.1, flops=2_000_000)
    for shows, head in (
        ((), "| row | ours | seeds |"),
        (("latency",), "| row | ours | seeds | ms, ours | faster than the teacher |"),
        (("f1", "kl", "flops"), "| row | ours | seeds | F1 | KL | MFLOPs |"),
    ):
        table = Table("one", "One", (Row("KD"),), Scale("much"), shows=shows)
        assert beside(table, table.rows, {"KD": [figures]}, "full")[2] == head


def test_the_command_names_source_table_and_scale() -> None:
    lums = read_source("lums")
    assert command(lums, lums.table("pruning"), "full") == (
        "python -m benchmarks.sources.table --source lums --table pruning --scale full"
    )
