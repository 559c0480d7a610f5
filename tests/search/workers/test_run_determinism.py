"""What a worker does, in this process: the same trials again, faults of trials, what is kept."""

from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
from optuna.trial import FrozenTrial, TrialState

from objectives import Workbench
from objectives.training import loop as training
from reports import StudySummary
from search.workers import worker_process
from search.workers.events import TrialEnded
from studies.records import Attr, read_history
from tests.search.searching import (
    Searched,
    assert_whole,
    sampled,
    search_here,
    study_in,
    trials_in,
)

USERS_NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, classes, width):
        super().__init__()
        self.conv = nn.Conv2d(3, int(16 * width), 3, 2, 1)
        self.fc = nn.Linear(int(16 * width), classes)
        self.width = width

    def forward(self, images):
        if self.training and self.width == 0.5 and len(images) > 2:  # Not when it is tried.
            raise ArithmeticError("half a net\\ndoes not learn")
        return self.fc(torch.relu(self.conv(images)).mean((2, 3)))


def build(classes, width=1.0):
    return Net(classes, width)
"""


def _what_is_equal(trial: FrozenTrial) -> tuple[object, ...]:
    attrs = trial.user_attrs
    names = (Attr.ORIGIN, Attr.STUDENT, Attr.SCHEME, Attr.CURVE, Attr.OFFERED_BY)
    return trial.number, trial.state, trial.params, trial.values, *map(attrs.get, names)


def _weights(runs: Path) -> dict[str, bytes]:
    entries = runs / "cache" / "stages" / "entries"
    files = [*entries.glob("*/*.safetensors"), *entries.glob("*/adapter/*")]
    return {str(path.relative_to(entries)): path.read_bytes() for path in files}


def test_one_worker_one_seed_one_cost_table_the_same_trials_and_the_same_bits(
    searched: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a student is worth is divided by the seconds that epochs were seen to take: on a machine
    # whose load swings another may come first. So here every epoch takes a second.
    seconds = count(0.0, 1.0)
    monkeypatch.setattr(training, "time", SimpleNamespace(perf_counter=seconds.__next__))
    both = [searched.prepare(tmp_path / name, teacher=False) for name in ("once", "again")]
    for runs in both:
        search_here(searched.file, runs, "trials=6", costs=searched.costs)
        assert_whole(runs, 6)
    once, again = ([_what_is_equal(trial) for trial in trials_in(runs)] for runs in both)
    assert once == again
    assert len({str(trial[2]) for trial in once}) > 6
    weights = _weights(both[0])
    assert len(weights) > 10
    assert weights == _weights(both[1])


def test_a_student_that_diverges_has_failed_and_the_study_goes_on(
    searched: Searched, tmp_path: Path
) -> None:
    runs = searched.prepare(tmp_path / "runs", teacher=True)
    settings = (
        "space.distill.learning_rate=[0.005, 10]",
        # At a rate of 10 this makes a weight -99 times what it was, in every step.
        "space.distill.optimizer=sgd",
        "space.distill.weight_decay=10",
        "trials=5",
    )
    events = search_here(searched.file, runs, *settings, costs=searched.costs)
    assert_whole(runs, 5)
    for trial in sampled(trials_in(runs)):
        diverges = trial.params["distill.learning_rate"] == 10
        assert (trial.state == TrialState.FAIL) == diverges
        if diverges:
            failure = trial.user_attrs[Attr.FAILURE]
            assert failure["kind"] == "diverged"
            assert "rate 10" in failure["reason"]
            assert TrialEnded(trial.number, "failed", failure["reason"]) in events
    assert {event.state for event in events if isinstance(event, TrialEnded)} == {
        "complete",
        "failed",
    }


def test_a_student_that_raises_has_failed_with_its_reason_and_the_study_goes_on(
    searched: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = searched.prepare(tmp_path / "runs", teacher=True)
    (tmp_path / "users_net.py").write_text(USERS_NET)
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = (
        "space.network.architecture=users_net:build",
        "space.network.width=[0.5, 1.0]",
        "space.adapt.targets=['classifier']",
        "sampler.name=random",  # It draws both widths.
        "trials=5",
    )
    search_here(searched.file, runs, *settings)
    assert_whole(runs, 5)
    trials = sampled(trials_in(runs))
    assert {trial.params["network.width"] for trial in trials} == {0.5, 1.0}
    for trial in trials:
        raises = trial.params["network.width"] == 0.5
        assert (trial.state == TrialState.FAIL) == raises
        if raises:
            assert trial.user_attrs[Attr.FAILURE] == {
                "kind": "error",
                "reason": "ArithmeticError: half a net does not learn",
            }


@pytest.mark.long
def test_a_cache_without_room_keeps_the_teacher_and_the_front(
    searched: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = searched.prepare(tmp_path / "runs", teacher=True)
    monkeypatch.setattr(worker_process, "Workbench", partial(Workbench, max_cache_bytes=1))
    search_here(searched.file, runs, "trials=6", costs=searched.costs)
    study = study_in(runs)
    history = read_history(study)
    front = {
        member.point.student
        for member in StudySummary.of(study.study_name, study.user_attrs, history).front
    }
    made = {stage.key: student.key for student in history.students for stage in student.stages}
    kept = {entry.name for entry in (runs / "cache" / "stages" / "entries").iterdir()}
    assert study.user_attrs["teacher"]["key"] in kept
    assert {key for key, student in made.items() if student in front} <= kept
    assert set(made) - kept, "this seed's students are all on the front: nothing was dropped"


def test_asking_for_more_keeps_what_is_there(searched: Searched, tmp_path: Path) -> None:
    runs = searched.prepare(tmp_path / "runs", teacher=True)
    search_here(searched.file, runs, "trials=1", costs=searched.costs)
    before = [_what_is_equal(trial) for trial in trials_in(runs)]
    search_here(searched.file, runs, "trials=3", costs=searched.costs)
    assert_whole(runs, 3)
    assert [_what_is_equal(trial) for trial in trials_in(runs)][: len(before)] == before
    search_here(searched.file, runs, "trials=3")
    assert_whole(runs, 3)
