"""search.clean: what no study needs goes, and nothing else."""

import shutil
from pathlib import Path

import pytest

from objectives import FileLock
from search.cli.session import open_existing
from tests.search.commands_run import run_here, tree


@pytest.fixture
def runs(searched, tmp_path):
    shutil.copytree(searched.runs, tmp_path / "runs")
    return tmp_path / "runs"


def stage(runs: Path, key: str, kind: str = "entries") -> Path:
    """Leave a stage of nobody's."""
    folder = runs / "cache" / "stages" / kind / key
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(bytes(1000))
    return folder


def test_what_a_front_is_made_of_stays_and_what_nobody_knows_goes(runs, tmp_path):
    left = [
        stage(runs, "0" * 64),
        stage(runs, "1" * 64, "partial"),
        stage(runs, "2" * 8 + ".damaged"),
    ]
    before = tree(runs / "cache" / "stages")
    told = run_here("clean", "--dry-run", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "tiny: has ended: its front, " in told.stdout
    assert "Would drop " in told.stdout
    assert {path for path in tree(runs / "cache" / "stages") if "locks" not in path} == {
        path for path in before if "locks" not in path
    }
    done = run_here("clean", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.replace("Dropped", "Would drop") == told.stdout
    assert not any(folder.exists() for folder in left)
    session = open_existing("tiny", runs, None)
    students = {student.key: student for student in session.history().students}
    members = [member.point for member in session.summary().front]
    session.storage.engine.dispose()
    entries = {path.name for path in (runs / "cache" / "stages" / "entries").iterdir()}
    needed = {
        record.key for point in members if point.chain for record in students[point.student].stages
    }
    assert needed <= entries
    again = run_here("clean", cwd=tmp_path)
    assert "Dropped 0 stages, 0 kB of" in again.stdout


def test_a_study_that_goes_on_keeps_what_it_may_go_on_with(runs, tmp_path):
    session = open_existing("tiny", runs, None)
    more = session.config.model_copy(update={"trials": 40})
    session.study.set_user_attr("config", more.to_dict())
    records = [record.key for one in session.history().students for record in one.stages]
    session.storage.engine.dispose()
    done = run_here("clean", cwd=tmp_path)
    assert "tiny: has not ended: all that was not ruled out, " in done.stdout
    entries = {path.name for path in (runs / "cache" / "stages" / "entries").iterdir()}
    assert set(records) <= entries


def test_what_a_command_uses_right_now_stays(runs, tmp_path):
    used = stage(runs, "3" * 64)
    with FileLock(runs / "cache" / "stages" / "locks" / used.name):
        done = run_here("clean", cwd=tmp_path)
    assert "left 1 stage that a command uses right now" in done.stdout
    assert used.exists()


def test_without_knowing_every_study_nothing_is_dropped(runs, tmp_path):
    (runs / "elsewhere" / "artifacts").mkdir(parents=True)
    before = tree(runs)
    done = run_here("clean", cwd=tmp_path)
    assert done.returncode == 2
    assert "elsewhere in runs has its trials in another database" in done.stderr
    assert tree(runs) == before
    done = run_here("clean", "--runs-dir", "nothing", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "There is no stage in nothing/cache.\n")
    assert not (tmp_path / "nothing").exists()
