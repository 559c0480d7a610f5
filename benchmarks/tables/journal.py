"""The students of a recording, one JSON line each: what a recording that was cut off goes on from.

Each worker writes a file of its own, and reads all of them before it begins.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from benchmarks.tables.recorded import RecordedStage, RecordedStudent
from spaces import StudentConfig, from_dict, student_key, to_dict


def open_journal(work: Path, worker: int) -> TextIO:
    """Return the file that a worker appends `line_of` its students to.

    A last line that was cut short is taken out of it: the next one would be written into it.
    """
    path = work / f"journal-{worker}.jsonl"
    file = path.open("a", encoding="utf-8")
    file.truncate(path.read_bytes().rfind(b"\n") + 1)
    return file


def line_of(student: RecordedStudent) -> str:
    """Return a student as a line of JSON."""
    return json.dumps({**asdict(student), "config": to_dict(student.config)}) + "\n"


def read_journals(work: Path) -> list[RecordedStudent]:
    """Return every student recorded so far, with the seconds that its stages really took.

    A last line that was cut short is left out.
    """
    rows: list[Mapping[str, Any]] = []
    for path in sorted(work.glob("journal-*.jsonl")):
        lines = path.read_text("utf-8").splitlines(keepends=True)
        rows += [json.loads(line) for line in lines if line.endswith("\n")]
    paid: dict[str, RecordedStage] = {}
    return [_student(row, paid) for row in sorted(rows, key=lambda row: len(row["stages"]))]


def _student(row: Mapping[str, Any], paid: dict[str, RecordedStage]) -> RecordedStudent:
    """Return the student of a row; stages that it shares with one before it are in `paid`."""
    config = from_dict(StudentConfig, row["config"])
    stages = []
    for prefix, said in zip(config.prefixes, row["stages"], strict=True):
        stage = RecordedStage(tuple(said["accuracies"]), tuple(said["seconds"]))
        # What has stages in common with another took their checkpoints from the cache, in no time.
        stages.append(paid.setdefault(student_key(prefix), stage))
    values = (row[name] for name in ("validation", "test", "evaluation_seconds"))
    return RecordedStudent(config, tuple(stages), *values)
