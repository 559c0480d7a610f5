"""What a shell completes."""

import contextlib
from pathlib import Path
from types import SimpleNamespace

from search.cli.completion import complete_pick, complete_study
from studies import StudyFolder, load_study, open_storage
from studies.opening import create_or_resume


def test_a_study_is_completed_by_built_in_ones_those_searched_here_and_files(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.toml").touch()
    folder = StudyFolder(tmp_path / "runs", "my_run")
    with folder.created():
        folder.database.touch()
    with contextlib.chdir(tmp_path):
        assert {"kd_lora_q", "my_run", "mine.toml"} <= set(complete_study(""))
        assert set(complete_study("my")) == {"my_run"}
        assert complete_study("zzz") == []


def test_a_pick_is_completed_by_words_and_the_numbers_of_complete_trials(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "runs", "kd_lora_q")
    with folder.created():
        storage = open_storage(folder.database)
    study = create_or_resume(load_study("kd_lora_q"), storage)
    for _ in range(12):
        study.tell(study.ask(), [0.5, 1.0, 1.0])
    study.ask()
    storage.engine.dispose()
    context = SimpleNamespace(params={"study": "kd_lora_q", "runs_dir": tmp_path / "runs"})
    assert complete_pick(context, "") == [
        *("knee", "accurate", "smallest", "fastest"),
        *map(str, range(12)),
    ]
    assert complete_pick(context, "1") == ["1", "10", "11"]
    nothing = SimpleNamespace(params={"study": "other", "runs_dir": tmp_path / "runs"})
    assert complete_pick(nothing, "1") == []
