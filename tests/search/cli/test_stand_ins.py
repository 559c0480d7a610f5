# ruff: noqa: RUF001
"""Commands under code pages that lack some of our characters: they run to their end."""

import io
import os
import subprocess
import sys

import pytest

from search.cli import use_stand_ins
from tests.search.commands_run import command_line, environment, run_command

POSIX = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""A POSIX locale, without what Python does against it."""


@pytest.mark.parametrize(
    ("code_page", "expected"),
    [
        ("ascii", "12x - cafe~"),
        ("cp1251", "12x – cafe…"),
        ("cp932", "12× - cafe…"),
        ("latin-1", "12× - café~"),
        ("utf-8", "12× – café…"),
    ],
)
def test_a_stand_in_is_as_wide_as_what_it_stands_for(code_page, expected, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=code_page))
    use_stand_ins()
    print("12× – café…", end="", flush=True)
    assert written.getvalue().decode(code_page) == expected


def test_a_path_of_undecodable_bytes_is_written_as_it_is(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    use_stand_ins()
    print(os.fsdecode(b"photos-\xff"), end="", flush=True)
    assert written.getvalue() == b"photos-\xff"


@pytest.mark.parametrize("code_page", ["ascii", "cp1251", "cp932"])
def test_a_report_is_told_under_any_code_page(searched, tmp_path, code_page):
    said = run_command(
        *("report", "--study", "tiny", "--runs-dir", searched.runs, "--out", "page"),
        cwd=tmp_path,
        PYTHONIOENCODING=code_page,
    )
    assert said.returncode == 0, said.stderr
    table = said.stdout[said.stdout.index("Front of tiny") :].splitlines()
    head, teacher = table[1], table[3]
    assert len(teacher) <= len(head)
    assert "1x" in teacher or "1×" in teacher
    assert said.stdout.endswith("report.html\n")


@pytest.mark.long
def test_other_commands_too(searched, tmp_path):
    words = {"cwd": tmp_path, "PYTHONIOENCODING": "ascii"}
    study = ("--study", "tiny", "--runs-dir", searched.runs)
    said = run_command("export", *study, "--out", "bést", **words)
    assert said.returncode == 0, said.stderr
    assert said.stdout.endswith("MB -> best\n")
    said = run_command("run", "--study", searched.file, "--dry-run", **words)
    assert said.returncode == 0, said.stderr
    assert "Chain: teacher -> distill -> adapt -> quantize" in said.stdout
    said = run_command("run", "--help", **words)
    assert said.returncode == 0, said.stderr
    assert "+- Options -" in said.stdout
    said = run_command("status", "--study", "tïny", **words)
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.startswith("distilfront: there is no study 'tiny' in runs: ")


@pytest.mark.long
def test_a_search_and_its_workers_run_in_a_posix_locale(searched, tmp_path):
    runs = searched.prepare(tmp_path / "runs", teacher=True)
    said = subprocess.run(
        command_line(
            *("run", "--study", searched.file, "--runs-dir", runs, "--trials", 1),
            *("--costs", searched.costs),
        ),
        env=environment(**POSIX),
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert said.returncode == 0, said.stderr
    output = said.stdout.decode("ascii")
    assert "cifar_resnet20 -> cifar_resnet20" in output
    assert "1/1 trial," in output
    assert f"Report: {runs}" in output
    (log,) = (runs / "tiny" / "logs").iterdir()
    assert "Traceback" not in log.read_text("utf-8")
