"""What the dashboard is given of a trial: its files before it ends, a note in words after."""

from collections.abc import Sequence
from typing import Protocol

import optuna
from optuna.artifacts import FileSystemArtifactStore

from objectives import Evaluation
from reports import StudySummary, save_trial_note, upload_trial_artifacts
from studies.records import History


class Presenter(Protocol):
    """Shows what becomes of trials; nothing that is searched depends on it."""

    def show_training(
        self,
        trial: optuna.Trial,
        curve: Sequence[tuple[float, float]],
        evaluation: Evaluation | None,
    ) -> None:
        """Show a trial that is about to end; a stopped one has no evaluation."""
        ...

    def show_end(self, number: int, history: History) -> None:
        """Say what became of an ended trial and of its offers."""
        ...


class DashboardPresenter:
    """Uploads a trial's files and writes its notes where optuna-dashboard looks for them."""

    def __init__(
        self, study: optuna.Study, store: FileSystemArtifactStore, classes: Sequence[str]
    ) -> None:
        self._study = study
        self._store = store
        self._classes = classes

    def show_training(
        self,
        trial: optuna.Trial,
        curve: Sequence[tuple[float, float]],
        evaluation: Evaluation | None,
    ) -> None:
        """Upload the curve, and of a trained student its confusion matrix and metrics."""
        upload_trial_artifacts(
            trial, self._store, curve=curve, evaluation=evaluation, classes=self._classes
        )

    def show_end(self, number: int, history: History) -> None:
        """Save the notes of a trial and of its offers."""
        summary = StudySummary.of(self._study.study_name, self._study.user_attrs, history)
        offered = [point.number for point in history.points if point.offered_by == number]
        for noted in (number, *offered):
            save_trial_note(self._study, summary, noted)
