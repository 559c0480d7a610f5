"""A recording that was cut off has every student that was written, and what each really took."""

from dataclasses import replace

from benchmarks.tables.journal import line_of, open_journal, read_journals
from tests.benchmarks.tiny_table import table

STUDENTS = list(table().students.values())


def test_students_come_back_as_they_were_written(tmp_path):
    for worker, one in enumerate(STUDENTS):
        with open_journal(tmp_path, worker % 2) as journal:
            journal.write(line_of(one))
    found = {one.config: one for one in read_journals(tmp_path)}
    assert found == {one.config: one for one in STUDENTS}


def test_a_stage_from_the_cache_is_recorded_with_what_it_took_when_it_was_trained(tmp_path):
    adapted = next(one for one in STUDENTS if len(one.stages) > 1)
    alone = next(one for one in STUDENTS if one.config == adapted.config.prefix(1))
    reused = replace(alone.stages[0], seconds=(0.0,) * len(alone.stages[0].seconds))
    with open_journal(tmp_path, 0) as journal:
        journal.write(line_of(replace(adapted, stages=(reused, *adapted.stages[1:]))))
        journal.write(line_of(alone))
    assert read_journals(tmp_path) == [alone, adapted]


def test_a_line_that_was_cut_short_is_left_out_and_not_written_into(tmp_path):
    with open_journal(tmp_path, 0) as journal:
        journal.write(line_of(STUDENTS[0]) + line_of(STUDENTS[1])[:50])
    assert read_journals(tmp_path) == STUDENTS[:1]
    with open_journal(tmp_path, 0) as journal:
        journal.write(line_of(STUDENTS[2]))
    found = {one.config for one in read_journals(tmp_path)}
    assert found == {STUDENTS[0].config, STUDENTS[2].config}
