"""What optuna-dashboard is given: notes in words, figures under fixed ids, artifacts."""

import json
import warnings
from xml.etree import ElementTree as ET

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from optuna_dashboard import get_note

from objectives import Evaluation
from reports import (
    StudySummary,
    advise,
    save_study_figures,
    save_trial_note,
    trial_note,
    upload_trial_artifacts,
)
from reports.dashboard import confusion_svg, curve_svg
from spaces import InputError


def test_every_trial_has_a_note_in_words(summary):
    chosen = advise(summary).point
    note = trial_note(summary, chosen.number)
    assert "below the teacher" in note
    assert "Entered the front." in note
    stopped = summary.history.stopped[0]
    note = trial_note(summary, stopped.number)
    assert f"it has {stopped.curve[-1][1]:.2%} accuracy and ends, at level 0.9" in note
    assert "trial 3, no larger and no slower, has 97.20%" in note
    failed = summary.history.failed[0]
    assert trial_note(summary, failed.number).startswith("**Diverged**: loss is NaN")
    offered = next(p for p in summary.history.points if p.origin == "offered")
    assert f"student of trial {offered.offered_by}" in trial_note(summary, offered.number)
    audited = next(student for student in summary.history.students if student.audited)
    note = trial_note(summary, audited.number)
    assert "Audited, or it had been stopped: after 50% of its epochs" in note
    with pytest.raises(InputError, match="has no trial 99999"):
        trial_note(summary, 99999)


def test_notes_and_figures_arrive_in_the_storage(fabricate, tmp_path):
    study = fabricate(f"sqlite:///{tmp_path}/study.db", sampled=12)
    summary = StudySummary.load(study)
    number = summary.front[0].point.number
    save_trial_note(study, summary, number)
    attrs = study._storage.get_study_system_attrs(study._study_id)
    trial_id = study.get_trials()[number]._trial_id
    assert attrs[f"dashboard:{trial_id}:note_str:0"] == trial_note(summary, number)
    for _ in range(2):
        save_study_figures(study, summary)
    assert get_note(study).lower().startswith(f"**{advise(summary).sentence}.**")
    attrs = study._storage.get_study_system_attrs(study._study_id)
    ids = {
        key.removeprefix("dashboard:plot_data:").split(":")[0]
        for key in attrs
        if "plot_data" in key
    }
    assert ids == {
        "front-size_bytes-accuracy",
        "front-latency_ms-accuracy",
        "front-size_bytes-latency_ms",
        "hypervolume-trials",
        "hypervolume-time",
        "learning-curves",
    }


def test_a_running_trial_takes_its_artifacts(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        store = FileSystemArtifactStore(tmp_path)
    study = optuna.create_study()
    trial = study.ask()
    evaluation = Evaluation("validation", 20, 0.9, 0.9, 0.9, 0.9, 0.1, ((9, 1), (1, 9)), 1000, 0.5)
    curve = ((0.5, 0.6), (1.0, 0.9))
    ids = upload_trial_artifacts(
        trial, store, curve=curve, evaluation=evaluation, classes=("cat", "dog")
    )
    study.tell(trial, 1.0)
    found = get_all_artifact_meta(study.trials[0], storage=study._storage)
    assert {meta.filename for meta in found} == {
        "learning_curve.svg", "confusion_matrix.svg", "metrics.json",
    }  # fmt: skip
    assert {meta.artifact_id for meta in found} == set(ids)
    assert all(meta.mimetype == "image/svg+xml" for meta in found if meta.filename.endswith("svg"))
    metrics = next(meta for meta in found if meta.filename == "metrics.json")
    assert json.loads((tmp_path / metrics.artifact_id).read_text())["accuracy"] == 0.9


def test_images_are_well_formed_and_hold_the_numbers():
    curve = ET.fromstring(curve_svg(((0.5, 0.6), (1.0, 0.9))))
    assert len(curve.findall(".//{*}circle")) == 2
    assert "at the end 90.0 %" in "".join(curve.itertext())
    matrix = ET.fromstring(confusion_svg(((9, 1), (0, 10)), ("a<b", "dog")))
    texts = [text.text for text in matrix.findall(".//{*}text")]
    assert {"9", "1", "10", "a<b", "dog"} <= set(texts)
    assert ET.fromstring(confusion_svg(()))
    hundred = confusion_svg([[1] * 100 for _ in range(100)])
    assert len(ET.fromstring(hundred).findall(".//{*}rect")) == 10_001
