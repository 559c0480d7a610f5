"""What all trials of a study share, made before the first one: teachers, costs, baselines."""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

import optuna

from objectives import (
    CostTable,
    EpochReport,
    OnEpoch,
    TrainedStudent,
    TrainedTeacher,
    Verdict,
    Workbench,
    measure_study_costs,
)
from reports import StudySummary, save_trial_note
from search.workers.baselines import TEACHER_ITSELF, TEACHER_QUANTIZED, student_baselines
from search.workers.epoch_monitor import ReleasedError
from search.workers.events import EpochEnded, Event, Noted, Preparing
from search.workers.loaded_teacher import loaded_teacher_in_words
from search.workers.stop_signal import StopSignal
from spaces import (
    OWN_TEACHER,
    LoadTeacher,
    Network,
    StudySetup,
    TeacherConfig,
    scheme_named,
    to_dict,
)
from studies import Lock, StudyConfig
from studies.records import (
    StudyAttr,
    add_baseline,
    costs_of,
    enqueue_baseline,
    is_enqueued_baseline,
    read_history,
)

Emit = Callable[[Event], None]

_LOOK_AGAIN_S = 2.0


def prepare(
    study: optuna.Study,
    config: StudyConfig,
    lock: Lock,
    workbench: Workbench,
    stop_signal: StopSignal,
    emit: Emit,
    *,
    templates_first: bool,
) -> tuple[TrainedStudent, CostTable]:
    """Return the teacher and the cost table, made or waited for, with the baselines in the study.

    Several workers may call this at once; `lock`, the study's for this, keeps all others idle while
    one measures latencies. `templates_first` lets one export the float graphs, and write what is to
    be timed, while another trains the teacher. Raises ReleasedError when a stop is asked for.
    """

    def on_epoch(report: EpochReport) -> Verdict:
        emit(_teacher_epoch(report))
        if stop_signal.stopping and not report.reused:
            raise ReleasedError
        return Verdict.GO_ON

    @cache
    def the_teachers() -> tuple[TrainedStudent, Mapping[str, TrainedTeacher]]:
        return _make_teachers(workbench, config.search_space().teachers, on_epoch, emit)

    known = costs_of(study)
    if not templates_first or known is not None:
        the_teachers()
    if known is None and config.costs.machine in {"", socket.gethostname()}:
        _export_templates(config, workbench, stop_signal, emit, backwards=not templates_first)
        emit(Preparing("costs are measured, or waited for"))
    elif known is None:
        _wait_for_costs(study, config, stop_signal, emit)
    with lock():
        costs = _costs(study, config, workbench, emit, the_teachers)
        teacher, others = the_teachers()
        _record_teachers(study, workbench.setup, teacher, others, costs)
        _add_teacher_baselines(study, config, workbench, teacher, costs, emit)
        _enqueue_student_baselines(study, config, costs)
    return teacher, costs


def measure_only(
    study: optuna.Study,
    config: StudyConfig,
    lock: Lock,
    workbench: Workbench,
    stop_signal: StopSignal,
    emit: Emit,
) -> None:
    """Measure the costs where the study has none, and train nothing: others will, elsewhere.

    Arguments and errors as of `prepare`.
    """
    _export_templates(config, workbench, stop_signal, emit, backwards=False)
    with lock():
        _costs(study, config, workbench, emit, lambda: None)


def _networks(config: StudyConfig, workbench: Workbench) -> tuple[Network, ...]:
    return workbench.setup.teacher.network, *config.search_space().networks_trained


def _export_templates(
    config: StudyConfig,
    workbench: Workbench,
    stop_signal: StopSignal,
    emit: Emit,
    *,
    backwards: bool,
) -> None:
    networks = _networks(config, workbench)
    # From both ends, so that two workers meet in the middle and do not wait for each other.
    for network in reversed(networks) if backwards else networks:
        if stop_signal.stopping:
            raise ReleasedError
        emit(Preparing(f"exporting the float graph of {network.key}"))
        workbench.template(network)


def _wait_for_costs(
    study: optuna.Study, config: StudyConfig, stop_signal: StopSignal, emit: Emit
) -> None:
    """Return once the machine that is to has measured them."""
    emit(Preparing(f"costs are waited for: {config.costs.machine} measures them"))
    while costs_of(study) is None:
        if stop_signal.stopping:
            raise ReleasedError
        stop_signal.wait(_LOOK_AGAIN_S)


def _costs(
    study: optuna.Study,
    config: StudyConfig,
    workbench: Workbench,
    emit: Emit,
    when_written: Callable[[], object],
) -> CostTable:
    """Return the study's costs, measured and kept where it has none."""
    costs = costs_of(study)
    if costs is None:
        costs = measure_study_costs(
            workbench,
            _networks(config, workbench),
            config.search_space().schemes,
            processes=config.costs.processes,
            calls=config.costs.calls,
            on_progress=lambda words: emit(Preparing(words)),
            when_written=when_written,
        )
        study.set_user_attr(StudyAttr.COSTS.value, to_dict(costs))
    return costs


def _teacher_epoch(report: EpochReport) -> EpochEnded:
    return EpochEnded(
        trial=None,
        stage=report.stage,
        epoch=report.epoch,
        epochs=report.epochs,
        progress=report.progress,
        accuracy=report.accuracy,
        reused=report.reused,
    )


def _make_teachers(
    workbench: Workbench, asked: Sequence[str], on_epoch: OnEpoch, emit: Emit
) -> tuple[TrainedStudent, dict[str, TrainedTeacher]]:
    """Return the study's own teacher and, by name, those that students ask and what they rest on.

    Says of each that is loaded what it is worth.
    """
    setup, made = workbench.setup, dict[str, TrainedTeacher]()
    for name in setup.teachers_for(asked):
        whose = "" if name == OWN_TEACHER else f" {name}"
        emit(Preparing(f"the teacher{whose} is trained, or waited for"))
        made[name] = workbench.named_teacher(name, on_epoch)
        config = setup.teacher_named(name)
        if isinstance(config, TeacherConfig) and isinstance(config.weights, LoadTeacher):
            for words in loaded_teacher_in_words(workbench, name, config.network):
                emit(Noted(words))
    del made[OWN_TEACHER]
    return workbench.teacher(on_epoch), made


def _record_teachers(
    study: optuna.Study,
    setup: StudySetup,
    teacher: TrainedStudent,
    others: Mapping[str, TrainedTeacher],
    costs: CostTable,
) -> None:
    if StudyAttr.TEACHER not in study.user_attrs:
        told = {"architecture": costs.teacher, **_told(teacher)}
        study.set_user_attr(StudyAttr.TEACHER.value, told)
    if others and StudyAttr.TEACHERS not in study.user_attrs:
        beside = {
            name: {"words": setup.teacher_named(name).in_words, **_told(other)}
            for name, other in others.items()
        }
        study.set_user_attr(StudyAttr.TEACHERS.value, beside)


def _told(teacher: TrainedStudent | TrainedTeacher) -> dict[str, Any]:
    return {
        "key": teacher.key,
        "accuracy": teacher.accuracy,
        "seconds": sum(stage.seconds for stage in teacher.stages),
        "stages": [asdict(stage) for stage in teacher.stages],
    }


def _add_teacher_baselines(
    study: optuna.Study,
    config: StudyConfig,
    workbench: Workbench,
    teacher: TrainedStudent,
    costs: CostTable,
    emit: Emit,
) -> None:
    """Add the teacher under every scheme that is not there yet: what quantizing alone gives."""
    points = read_history(study).points
    there = {point.scheme for point in points if point.origin == "baseline"}
    network = workbench.setup.teacher.network
    for name in config.search_space().schemes:
        if name in there:
            continue
        emit(Preparing(f"scoring the teacher as {name}"))
        evaluation = workbench.evaluate(teacher, network, scheme_named(name), "validation")
        words = TEACHER_ITSELF if name == "fp32" else TEACHER_QUANTIZED
        latency_ms = costs.of(costs.teacher, name).latency_ms
        add_baseline(study, words, name, evaluation, latency_ms)
    if there >= set(config.search_space().schemes):
        return
    summary = StudySummary.load(study)
    for point in summary.history.points:
        if point.origin == "baseline":
            save_trial_note(study, summary, point.number)


def _enqueue_student_baselines(study: optuna.Study, config: StudyConfig, costs: CostTable) -> None:
    """Make the students that leave a step out sampled trials, first ones or late ones.

    A worker that died here has enqueued the first of them.
    """
    done = sum(is_enqueued_baseline(trial) for trial in study.get_trials(deepcopy=False))
    space = config.search_space()
    for one in student_baselines(space, costs)[done:]:
        enqueue_baseline(study, one.words, space.params_of(one.chain), late=one.late)
