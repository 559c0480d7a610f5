"""From Optuna's trials to a History."""

from bisect import insort
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from objectives import CostTable, Evaluation, StageRecord
from spaces import ChainConfig, DistilfrontError, StudentConfig, from_dict
from studies.records.model import (
    Curve,
    Failed,
    History,
    Paused,
    Point,
    RecordedRuling,
    Running,
    Stopped,
    Student,
)
from studies.records.names import Attr, Origin, StudyAttr
from studies.stored_trials import StoredTrials

Record = TypeVar("Record", Point, Student, Stopped, Paused, Failed)


def read_history(study: optuna.Study, storage: RDBStorage | None = None) -> History:
    """Return all that the trials of `study` say; to read it repeatedly, keep a HistoryReader."""
    return HistoryReader(study, storage).read()


def costs_of(study: optuna.Study) -> CostTable | None:
    """Return the study's cost table, None before it was measured."""
    costs = study.user_attrs.get(StudyAttr.COSTS)
    return None if costs is None else from_dict(CostTable, costs)


def begun_students(study: optuna.Study) -> dict[str, StudentConfig]:
    """Return every student that any trial has begun, those of dead workers too, by key."""
    return {
        trial.user_attrs[Attr.STUDENT]: _chain(trial).student
        for trial in study.get_trials(deepcopy=False)
        if Attr.CHAIN in trial.user_attrs and Attr.STUDENT in trial.user_attrs
    }


class HistoryReader:
    """Reads a study's history again and again, parsing every finished trial once.

    Optuna never changes a finished trial, so what was parsed stays true.
    """

    def __init__(self, study: optuna.Study, storage: RDBStorage | None = None) -> None:
        """Read `study`; quickly, however long it is, if told the `storage` in which it lies."""
        self._study = study
        self._stored = None if storage is None else StoredTrials(storage, study.study_name)
        self._objectives = tuple(study.metric_names or ())
        self._costs: CostTable | None = None
        self._parsed: set[int] = set()
        self._points: list[Point] = []
        self._students: list[Student] = []
        self._stopped: list[Stopped] = []
        self._paused: list[Paused] = []
        self._failed: list[Failed] = []
        self._chains: dict[int, ChainConfig] = {}

    def read(self) -> History:
        """Return the history as it is now."""
        running: list[Running] = []
        for trial in self._unread():
            if trial.state.is_finished():
                self._add(trial)
                self._parsed.add(trial.number)
            else:
                running.append(self._running(trial))
        return History(
            tuple(self._points),
            tuple(self._students),
            tuple(self._stopped),
            tuple(self._paused),
            tuple(self._failed),
            tuple(running),
        )

    def _unread(self) -> Iterable[FrozenTrial]:
        if self._stored is not None:
            return self._stored.changed()
        trials = self._study.get_trials(deepcopy=False)
        return (trial for trial in trials if trial.number not in self._parsed)

    def _running(self, trial: FrozenTrial) -> Running:
        attrs = trial.user_attrs
        if trial.number not in self._chains and Attr.CHAIN in attrs:
            self._chains[trial.number] = _chain(trial)
        return Running(
            number=trial.number,
            worker=attrs.get(Attr.WORKER),
            curve=_curve(trial),
            student=attrs.get(Attr.STUDENT),
            chain=self._chains.get(trial.number),
            resumes=attrs.get(Attr.RESUMES),
        )

    def _add(self, trial: FrozenTrial) -> None:
        self._chains.pop(trial.number, None)
        if trial.state == TrialState.COMPLETE:
            point = self._point(trial)
            _insert(self._points, point)
            if point.origin == "sampled":
                _insert(self._students, _student(trial))
        elif trial.state == TrialState.PRUNED:
            pruned = _pruned(trial)
            if isinstance(pruned, Paused):
                _insert(self._paused, pruned)
            else:
                _insert(self._stopped, pruned)
        else:
            _insert(self._failed, _failed(trial))

    def _point(self, trial: FrozenTrial) -> Point:
        attrs = trial.user_attrs
        values = dict(zip(self._objectives, trial.values, strict=True))
        evaluation = _evaluation(_required(trial, Attr.EVALUATION))
        chain = _chain(trial) if Attr.CHAIN in attrs else None
        scheme: str = _required(trial, Attr.SCHEME)
        latency_ms = values.get("latency_ms")
        return Point(
            number=trial.number,
            origin=_origin(trial),
            student=_required(trial, Attr.STUDENT),
            scheme=scheme,
            chain=chain,
            accuracy=float(trial.values[0]),
            size_bytes=evaluation.size_bytes,
            latency_ms=self._latency_ms(chain, scheme) if latency_ms is None else latency_ms,
            evaluation=evaluation,
            baseline=attrs.get(Attr.BASELINE),
            completed=_completed(trial),
            offered_by=attrs.get(Attr.OFFERED_BY),
        )

    def _latency_ms(self, chain: ChainConfig | None, scheme: str) -> float:
        """Return what the cost table says, in a study that has no latency among its objectives."""
        if self._costs is None:
            self._costs = costs_of(self._study)
        if self._costs is None:
            raise DistilfrontError(f"study {self._study.study_name!r} has points but no costs")
        network = chain.student.deployed.key if chain else self._costs.teacher
        return self._costs.of(network, scheme).latency_ms


def _student(trial: FrozenTrial) -> Student:
    curve = _curve(trial)
    if not curve:
        raise DistilfrontError(f"trial {trial.number} is complete but has no learning curve")
    ruling = trial.user_attrs.get(Attr.RULING)
    return Student(
        number=trial.number,
        key=_required(trial, Attr.STUDENT),
        chain=_chain(trial),
        curve=curve,
        stages=_stages(trial),
        audited=None if ruling is None else _ruling(ruling),
        completed=_completed(trial),
        accuracy=curve[-1][1],
        resumes=trial.user_attrs.get(Attr.RESUMES),
    )


def _pruned(trial: FrozenTrial) -> Stopped | Paused:
    ruling = _required(trial, Attr.RULING)
    kind = Paused if ruling.get("paused", False) else Stopped
    return kind(
        number=trial.number,
        key=_required(trial, Attr.STUDENT),
        chain=_chain(trial),
        curve=_curve(trial),
        stages=_stages(trial),
        ruling=_ruling(ruling),
        completed=_completed(trial),
        resumes=trial.user_attrs.get(Attr.RESUMES),
    )


def _ruling(values: Mapping[str, Any]) -> RecordedRuling:
    return RecordedRuling(str(values["words"]), float(values.get("progress", 1.0)), values)


def _evaluation(values: Mapping[str, Any]) -> Evaluation:
    confusion = tuple(tuple(row) for row in values["confusion"])
    return Evaluation(**{**values, "confusion": confusion})


def _stages(trial: FrozenTrial) -> tuple[StageRecord, ...]:
    return tuple(StageRecord(**values) for values in trial.user_attrs.get(Attr.STAGES, ()))


def _failed(trial: FrozenTrial) -> Failed:
    # Whoever tells a trial FAIL without a word of ours (a dashboard, say) means it.
    failure = trial.user_attrs.get(Attr.FAILURE, {"kind": "error", "reason": "told to fail"})
    resumes = trial.user_attrs.get(Attr.RESUMES)
    return Failed(trial.number, failure["kind"], failure["reason"], trial.params, resumes)


def _origin(trial: FrozenTrial) -> Origin:
    origin: Origin = trial.user_attrs.get(Attr.ORIGIN, "sampled")
    return origin


def _chain(trial: FrozenTrial) -> ChainConfig:
    return from_dict(ChainConfig, _required(trial, Attr.CHAIN))


def _curve(trial: FrozenTrial) -> Curve:
    pairs = trial.user_attrs.get(Attr.CURVE, ())
    return tuple((float(progress), float(accuracy)) for progress, accuracy in pairs)


def _completed(trial: FrozenTrial) -> datetime:
    if trial.datetime_complete is None:
        raise DistilfrontError(f"trial {trial.number} has ended but not when")
    return trial.datetime_complete


def _required(trial: FrozenTrial, name: Attr) -> Any:
    if name not in trial.user_attrs:
        raise DistilfrontError(
            f"trial {trial.number} is {trial.state.name} but has no attribute {name.value!r}: "
            "was it added by another program?"
        )
    return trial.user_attrs[name]


def _number(record: Point | Student | Stopped | Paused | Failed) -> int:
    return record.number


def _insert(records: list[Record], record: Record) -> None:
    """Keep `records` in trial order: parallel trials do not end in the order they began."""
    key: Callable[[Record], int] = _number
    insort(records, record, key=key)
