"""The test split, looked at once: the front's members, the baselines and the teacher."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import optuna

from objectives import EpochReport, Evaluation, TrainedStudent, Verdict, Workbench
from reports import StudySummary, baselines
from search.workers.events import Event, Preparing
from spaces import scheme_named
from studies import Lock
from studies.records import Point, StudyAttr


def score_front(
    study: optuna.Study,
    workbench: Workbench,
    lock: Lock,
    emit: Callable[[Event], None],
) -> None:
    """Score the study's front on the test split, unless this very front was scored before.

    Nothing is chosen by these scores: they are kept under the front's fingerprint, and a front
    that grows is another front. `lock`, the study's for preparing it, lets one worker do so.
    """
    with lock():
        summary = StudySummary.load(study)
        if summary.front_fingerprint in summary.test_scores:
            return
        chosen = [member.point for member in summary.front]
        chosen += [point for _, point in baselines(summary)]
        scores: dict[str, Any] = {}
        for point in {point.number: point for point in chosen}.values():
            emit(Preparing(f"scoring trial {point.number} on the test split"))
            scores[str(point.number)] = asdict(_score(point, workbench))
        teacher = workbench.evaluate(
            workbench.teacher(_go_on),
            workbench.setup.teacher.network,
            scheme_named("fp32"),
            "test",
        )
        scores["teacher"] = asdict(teacher)
        known = study.user_attrs.get(StudyAttr.TEST_SCORES, {})
        study.set_user_attr(
            StudyAttr.TEST_SCORES.value,
            {**known, summary.front_fingerprint: {"scores": scores}},
        )


def trained(point: Point, workbench: Workbench) -> TrainedStudent:
    """Return the student behind a point, from the stage cache or, where it was dropped, again."""
    if point.chain is None:
        return workbench.teacher(_go_on)
    student = workbench.train_student(point.chain.student, _go_on)
    if not isinstance(student, TrainedStudent):
        raise TypeError("a student stopped that nobody had told to")
    return student


def _score(point: Point, workbench: Workbench) -> Evaluation:
    network = (
        workbench.setup.teacher.network if point.chain is None else point.chain.student.deployed
    )
    return workbench.evaluate(
        trained(point, workbench), network, scheme_named(point.scheme), "test"
    )


def _go_on(report: EpochReport) -> Verdict:  # noqa: ARG001
    return Verdict.GO_ON
