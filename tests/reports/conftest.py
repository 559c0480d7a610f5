"""Fixtures of the reports: a fabricated study and its summary, and points made by hand."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import optuna
import pytest

from reports.summary import StudySummary
from spaces import to_dict
from studies.records import History, Point, StudyAttr
from tests.reports.fabricated_study import (
    BEGIN,
    SEARCHED,
    TEACHER,
    Fabricate,
    TrialWriter,
    cost_table,
    evaluation,
    study_config,
)


@pytest.fixture(scope="session")
def fabricate() -> Fabricate:
    """Make a study of `sampled` trials (and their offers) in a storage; the same for one seed."""

    def make(
        storage: Any = None,
        *,
        sampled: int = 40,
        seed: int = 0,
        name: str = "kd_lora_q",
        objectives: tuple[str, ...] = ("accuracy", "size_bytes", "latency_ms"),
        imported: bool = False,
        space: Mapping[str, Mapping[str, Any]] = SEARCHED,
    ) -> optuna.Study:
        config = study_config(
            name=name if name.isidentifier() else "named_otherwise",
            space=space,
            objectives=list(objectives),
            trials=sampled,
        )
        study = optuna.create_study(
            storage=storage or optuna.storages.InMemoryStorage(),
            study_name=name,
            directions=["maximize", *["minimize"] * (len(objectives) - 1)],
        )
        with warnings.catch_warnings():  # Optuna calls names of objectives experimental
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(list(objectives))
        study.set_user_attr(StudyAttr.CONFIG, config.to_dict())
        study.set_user_attr(StudyAttr.FINGERPRINT, "fabricated")
        study.set_user_attr(
            StudyAttr.COSTS, to_dict(cost_table(config.search_space(), imported=imported))
        )
        study.set_user_attr(
            StudyAttr.TEACHER,
            {
                "key": "t",
                "architecture": TEACHER.key,
                "accuracy": 0.9889,
                "seconds": 93.0,
                "stages": [],
            },
        )
        writer = TrialWriter(study, config.search_space(), seed)
        writer.teacher_baselines()
        for index in range(sampled):
            if index == 5:
                writer.failed()
            else:
                writer.sampled()
        for trial in writer.trials:
            if trial.values is not None:
                trial.values = trial.values[: len(objectives)]
        study.add_trials(writer.trials)
        summary = StudySummary.load(study)
        scores = {
            str(member.point.number): asdict(member.point.evaluation)
            | {"split": "test", "accuracy": member.point.accuracy - 0.004}
            for member in summary.front
        }
        teacher = asdict(evaluation(0.985, summary.teacher.cost.size_bytes)) | {"split": "test"}
        study.set_user_attr(
            StudyAttr.TEST_SCORES,
            {summary.front_fingerprint: {"scores": scores | {"teacher": teacher}}},
        )
        return study

    return make


@pytest.fixture(scope="session")
def summary(fabricate: Fabricate) -> StudySummary:
    """The summary of a study of 40 sampled trials."""
    return StudySummary.load(fabricate())


@pytest.fixture
def make_point() -> Callable[..., Point]:
    """Make a point by hand: a number and the three objectives, of the teacher unless told."""

    def make(
        number: int, accuracy: float, size_bytes: int, latency_ms: float, **more: Any
    ) -> Point:
        known = {
            "origin": "sampled",
            "student": f"student{number}",
            "scheme": "int8_static",
            "chain": None,
            "evaluation": evaluation(accuracy, size_bytes),
            "baseline": None,
            "completed": BEGIN + timedelta(minutes=number),
        }
        return Point(
            number, accuracy=accuracy, size_bytes=size_bytes, latency_ms=latency_ms, **known | more
        )

    return make


@pytest.fixture
def make_summary() -> Callable[..., StudySummary]:
    """Make a summary of a hand-made history; the teacher has 0.9889, the floor is 0.89."""

    def make(history: History, **config: Any) -> StudySummary:
        attrs = {
            StudyAttr.CONFIG: study_config(**config).to_dict(),
            StudyAttr.COSTS: to_dict(cost_table()),
            StudyAttr.TEACHER: {"accuracy": 0.9889, "seconds": 93.0},
        }
        return StudySummary.of("by_hand", attrs, history)

    return make
