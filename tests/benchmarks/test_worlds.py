"""Parallel worlds: recorded grids with other luck."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import worlds
from benchmarks.compare import main as compare
from benchmarks.compare import read_runs
from benchmarks.off_grid import Surrogate
from benchmarks.oracle import prefix_key
from benchmarks.recorded import RecordedStage, RecordedStudent, load_table
from benchmarks.worlds import world
from search.prospects import log_error
from tests.benchmarks.test_off_grid import TABLE

IMAGES = TABLE.validation_images
SD = 0.15
"""Of log errors, what settings do not tell of a checkpoint."""


def rough(student: RecordedStudent) -> RecordedStudent:
    """Return `student` with a luck that its checkpoint has."""
    draw = np.random.default_rng(int(prefix_key(student), 16)).normal(0, SD)

    def moved(accuracy: float) -> float:
        return 1 - (1 - accuracy) * float(np.exp(draw))

    def stage(one: RecordedStage) -> RecordedStage:
        return replace(one, accuracies=tuple(map(moved, one.accuracies)))

    scores = {name: moved(accuracy) for name, accuracy in student.validation.items()}
    return replace(
        student,
        distill=stage(student.distill),
        adapt=student.adapt and stage(student.adapt),
        validation=scores,
        test=scores,
    )


@pytest.fixture(scope="module")
def surrogate() -> Surrogate:
    return Surrogate(
        replace(TABLE, students={key: rough(one) for key, one in TABLE.students.items()})
    )


def after(student: RecordedStudent) -> float:
    """The log error that distilling ends with."""
    return log_error(student.distill.accuracies[-1], IMAGES)


def test_a_world_has_the_same_students_with_other_luck_and_is_the_same_again(surrogate):
    one, other, again = (world(surrogate, number) for number in (0, 1, 0))
    recorded = surrogate.table
    assert one.students == again.students
    assert one.students.keys() == recorded.students.keys() == other.students.keys()
    assert one.costs == recorded.costs
    ends = [
        np.array([after(table.students[key]) for key in recorded.students])
        for table in (one, other, recorded)
    ]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert 0.5 * SD < (ends[i] - ends[j]).std() < 3 * SD
        assert np.corrcoef(ends[i], ends[j])[0, 1] > 0.5  # Settings tell the same.


def test_what_is_made_of_a_checkpoint_has_the_luck_of_one_other_of_its_width(surrogate):
    """Left out, with all that is made of it, each recorded checkpoint says how lucky it was."""

    families: dict[str, list[RecordedStudent]] = {}
    for student in surrogate.table.students.values():
        families.setdefault(prefix_key(student), []).append(student)
    luck: dict[float, list[float]] = {}
    for prefix, (one, *_) in families.items():
        (said,) = surrogate.answers([one.config], luck=None, without=prefix)
        luck.setdefault(one.config.architecture.width, []).append(after(one) - after(said))

    drawn = world(surrogate, 3)
    configs = [one.config for one in drawn.students.values()]
    expected = surrogate.answers(configs, luck=None, anew=True)
    for one, said in zip(drawn.students.values(), expected, strict=True):
        lucks = np.array(luck[one.config.architecture.width])
        # An accuracy is a share of whole images: two roundings on either side.
        rounding = 4 / (IMAGES * np.exp(min(after(one), after(said))))
        assert np.abs(after(one) - after(said) - lucks).min() < rounding


def test_the_command_writes_worlds_that_can_be_compared(tmp_path, monkeypatch, capsys):
    TABLE.save(tmp_path / "tiny.parquet")
    out = tmp_path / "worlds"
    arguments = ["worlds", str(tmp_path / "tiny.parquet"), "--out", str(out), "--worlds", "2"]
    monkeypatch.setattr("sys.argv", arguments)
    worlds.main()
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 + 2
    assert [load_table(out / f"tiny_{i}.parquet").name for i in range(2)] == ["tiny_0", "tiny_1"]

    paths = [str(path) for path in sorted(out.glob("*.parquet"))]
    arguments = ["compare", "--tables", *paths, "--out", str(tmp_path / "runs"), "--seeds", "1"]
    monkeypatch.setattr("sys.argv", [*arguments, "--processes", "1", "--only", "random"])
    compare()
    assert {run.table for run in read_runs(tmp_path / "runs" / "runs.jsonl")} == {
        "tiny_0",
        "tiny_1",
    }
