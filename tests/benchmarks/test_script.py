"""Benchmarks say in one line what the user can mend, as the program's commands do."""

import sys

import pytest

from benchmarks.page import anytime, page
from benchmarks.replay import one_search, paired
from benchmarks.script import run_script
from benchmarks.tables import off_grid, table_facts


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        (anytime, ["--results", "nowhere", "--at", "300"]),
        (off_grid, ["nothing.parquet"]),
        (page, ["--results", "nowhere", "--frozen", "HEAD"]),
        (paired, ["nothing.jsonl", "nothing.jsonl"]),
        (one_search, ["nothing.parquet"]),
        (table_facts, ["nothing.parquet"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_is_not_there_is_one_line_and_exit_code_2(
    script, arguments, monkeypatch, capsys, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["it", *arguments])
    with pytest.raises(SystemExit) as ended:
        run_script(script.main)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.count("\n") == 1
    assert "Traceback" not in said


def test_ctrl_c_is_130(capsys):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        run_script(interrupted)
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"
