"""What optuna-dashboard shows of a study beyond its numbers: notes, figures and artifacts.

The dashboard keeps notes and figures in the study's storage, in pieces of 2,045 characters, one
write each: figures are for once in a while, not for every trial.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
from jinja2 import Environment, PackageLoader, StrictUndefined
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna_dashboard import save_note, save_plotly_graph_object

from objectives import Evaluation
from reports import words
from reports.advice import advise
from reports.drawing import AXIS_TITLES
from reports.figures import hypervolume_steps, learning_curves
from reports.front_figures import PAIRS, front_pair
from reports.hypervolumes import end_of, growth
from reports.notes import study_note, trial_note
from reports.palette import LIGHT
from reports.summary import StudySummary


def save_trial_note(study: optuna.Study, summary: StudySummary, number: int) -> None:
    """Save a trial's note, ended or not: notes are the study's, so a finished trial takes one."""
    trial = study.get_trials(deepcopy=False)[number]
    # save_note asks a trial for these three alone, and Optuna offers no Trial of a finished one.
    target = SimpleNamespace(
        study=study,
        storage=study._storage,  # noqa: SLF001
        _trial_id=trial._trial_id,  # noqa: SLF001
    )
    save_note(target, trial_note(summary, number))


def save_study_figures(study: optuna.Study, summary: StudySummary) -> None:
    """Save the study's note and its figures under fixed ids, replacing the ones before."""
    save_note(study, study_note(summary))
    if not summary.history.points:
        return
    chosen = advise(summary).point
    steps = growth(summary)
    figures = {
        f"front-{x}-{y}": (
            f"Front against the teacher: {AXIS_TITLES[y]} over {AXIS_TITLES[x]}",
            front_pair(summary, x, y, chosen),
        )
        for x, y in PAIRS
    }
    for over, axis in (("ended", "trials"), ("minutes", "time")):
        figure = hypervolume_steps(steps, end_of(summary, steps, over), over)
        figures[f"hypervolume-{axis}"] = (f"Hypervolume over {axis}", figure)
    figures["learning-curves"] = ("Learning curves", learning_curves(summary, chosen))
    for name, (title, figure) in figures.items():
        # The dashboard has no captions and grounds of its own: titled, on the light surface.
        figure.update_layout(
            title={"text": title, "x": 0.02},
            margin={"t": 80, "l": 60, "r": 20, "b": 50},
            paper_bgcolor=LIGHT.surface,
            plot_bgcolor=LIGHT.surface,
        )
        save_plotly_graph_object(study, figure, graph_object_id=name)


def upload_trial_artifacts(
    trial: optuna.Trial,
    store: FileSystemArtifactStore,
    *,
    curve: Sequence[tuple[float, float]],
    evaluation: Evaluation | None,
    classes: Sequence[str] = (),
) -> tuple[str, ...]:
    """Upload a running trial's learning curve, confusion matrix and metrics; return their ids.

    A trial that is stopped has no evaluation, so only the curve. Optuna lets no finished trial
    take an artifact, so this comes before the trial is told.
    """
    files = {"learning_curve.svg": curve_svg(curve)}
    if evaluation is not None:
        files["confusion_matrix.svg"] = confusion_svg(evaluation.confusion, classes)
        files["metrics.json"] = json.dumps(asdict(evaluation), indent=2) + "\n"
    ids = []
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder) / name
            path.write_text(text, encoding="utf-8")
            ids.append(
                upload_artifact(artifact_store=store, file_path=str(path), study_or_trial=trial)
            )
    return tuple(ids)


def curve_svg(curve: Sequence[tuple[float, float]]) -> str:
    """Return a learning curve of (progress, accuracy) pairs as an SVG image."""
    return _render(
        "curve.svg.j2", curve=curve, last=words.percent(curve[-1][1]) if curve else words.NOTHING
    )


def confusion_svg(confusion: Sequence[Sequence[int]], classes: Sequence[str] = ()) -> str:
    """Return counts [true class][predicted class] as an SVG image; shades are shares of a row."""
    names = list(classes) or [str(index) for index in range(len(confusion))]
    rows = [[(count, count / max(1, sum(row))) for count in row] for row in confusion]
    return _render("confusion.svg.j2", rows=rows, names=names)


def _render(template: str, **values: Any) -> str:
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(light=LIGHT, **values)
