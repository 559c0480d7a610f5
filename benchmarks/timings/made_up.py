"""Studies of any length that nobody trained, for what measures how long decisions take.

Students of the main job's space with settings at random, each with the points that its offers leave
it; one in ten was stopped instead, one in thirty audited. In memory as a History, or written into a
real database as workers would have left them.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from objectives import Evaluation, StageRecord
from objectives.costs import Cost, CostTable
from objectives.fronts import ReferencePoint
from search.problem import SearchProblem
from spaces import SCHEMES, ChainConfig, Space, digest, scheme_named, student_key, to_dict
from studies import StudyConfig
from studies.records import Attr, Curve, History, Point, RecordedRuling, Stopped, Student

IMAGES = 360
TEACHER = "resnet18@1"
POINTS = 6
"""Of every trained student: its own and five offers."""


def problem_of(config: StudyConfig) -> SearchProblem:
    """Return what a study settles before its first trial, its costs made up."""
    space = config.search_space()
    networks = [(network.key, network.width) for network in space.networks]
    costs = CostTable(
        tuple(
            Cost(key, scheme.layout.key, int(9e6 * width) >> step, width, width, 0.01,
                 width * (1 - 0.1 * step), int(1e6 * width), int(2e6 * width))
            for key, width in [(TEACHER, 5.0), *networks]
            for step, scheme in enumerate(SCHEMES.values())
        ),
        TEACHER, "onnxruntime", {}, processes=3, calls=200, threads=1,
    )  # fmt: skip
    reference = ReferencePoint(0.85, 45_000_000, 5.0)
    return SearchProblem(space, costs, reference, IMAGES, 0.95, config.objectives)


def chains(
    config: StudyConfig, count: int
) -> tuple[list[ChainConfig], dict[str, BaseDistribution]]:
    """Return chains with settings at random, and the distributions that those came from."""
    space = config.search_space()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found: dict[str, ChainConfig] = {}
    distributions: dict[str, BaseDistribution] = {}
    while len(found) < count:
        trial = study.ask()
        chain = space.suggest(trial)
        found[student_key(chain.student)] = chain
        distributions |= trial.distributions
    return list(found.values()), distributions


def history(config: StudyConfig, drawn: Iterable[ChainConfig], trials: int) -> History:
    """Return a study of so many trials, of the first of the `drawn` chains."""
    draws = np.random.default_rng(0)
    points: list[Point] = []
    students: list[Student] = []
    stopped: list[Stopped] = []
    problem, number = problem_of(config), 0
    for chain in drawn:
        if number >= trials:
            break
        key, when = student_key(chain.student), datetime(2026, 1, 1) + timedelta(seconds=number)
        curve = _curve(draws, chain)
        if draws.random() < 0.1:
            cut = curve[: len(curve) // 3]
            ruling, stages = _ruling(chain, cut, audited=False), _stages(chain, len(cut))
            stopped.append(Stopped(number, key, chain, cut, stages, ruling, when))
            number += 1
            continue
        half = curve[: len(curve) // 2]
        audited = _ruling(chain, half, audited=True) if draws.random() < 1 / 30 else None
        stages = _stages(chain, len(curve))
        student = Student(number, key, chain, curve, stages, audited, when, curve[-1][1])
        students.append(student)
        others = [name for name in problem.schemes if name != chain.scheme.name]
        for scheme in [chain.scheme.name, *others[: POINTS - 1]]:
            points.append(_point(student, scheme, number, problem, draws))
            number += 1
    return History(tuple(points), tuple(students), tuple(stopped))


def _curve(draws: np.random.Generator, chain: ChainConfig) -> Curve:
    epochs = chain.student.total_epochs
    progress = np.arange(1, epochs + 1) / epochs
    least = 0.02 + 0.06 * (1 - chain.student.network.width) + 0.1 * draws.beta(1, 3)
    errors = least + (0.9 - least) * np.exp(-progress * draws.uniform(4, 9))
    right = draws.binomial(IMAGES, 1 - errors) / IMAGES
    return tuple(zip(progress.tolist(), right.tolist(), strict=True))


def _stages(chain: ChainConfig, epochs: int) -> tuple[StageRecord, ...]:
    """Return what so many epochs of a student took, stage by stage."""
    records, left = [], epochs
    for prefix in chain.student.prefixes:
        stage, key = prefix.stages[-1], digest("made up", student_key(prefix))
        done = min(left, stage.epochs)
        if done:
            records.append(StageRecord(stage.kind, key, 2.0 * done, 0.0, done))
        left -= done
    return tuple(records)


def _ruling(chain: ChainConfig, curve: Curve, *, audited: bool) -> RecordedRuling:
    """Return a ruling with the facts that the known-cost pruner's have."""
    progress, accuracy = curve[-1]
    facts = {
        "progress": progress, "accuracy": accuracy, "bound": accuracy + 0.1, "level": 0.9,
        "students": 40, "scheme": chain.scheme.name, "reach": accuracy + 0.1,
        "incumbent": accuracy + 0.2, "incumbent_number": 0, "margin": 0.01, "shortfall": 0.09,
        "audited": audited, "paused": False, "words": "made up",
    }  # fmt: skip
    return RecordedRuling("made up", progress, facts)


def _point(
    student: Student, scheme: str, number: int, problem: SearchProblem, draws: np.random.Generator
) -> Point:
    cost = problem.costs.of(student.chain.student.network.key, scheme)
    lost = 2 * problem.schemes.index(scheme) + int(draws.integers(-2, 8))  # images
    accuracy = student.accuracy - max(0, lost) / IMAGES
    return Point(
        number=number,
        origin="sampled" if number == student.number else "offered",
        student=student.key,
        scheme=scheme,
        chain=ChainConfig(student.chain.student, scheme_named(scheme)),
        accuracy=accuracy,
        size_bytes=cost.size_bytes,
        latency_ms=cost.latency_ms,
        evaluation=evaluation(accuracy, cost.size_bytes),
        baseline=None,
        completed=student.completed,
        offered_by=None if number == student.number else student.number,
    )


def evaluation(accuracy: float, size_bytes: int) -> Evaluation:
    """Return what scoring an artifact gives, of the size that it has on ten classes."""
    return Evaluation(
        split="validation",
        images=IMAGES,
        accuracy=accuracy,
        f1=accuracy,
        precision=accuracy,
        recall=accuracy,
        kl_to_teacher=0.05,
        confusion=((IMAGES // 100,) * 10,) * 10,
        size_bytes=size_bytes,
        seconds=0.4,
    )


def trials_of(
    space: Space, past: History, distributions: dict[str, BaseDistribution]
) -> list[FrozenTrial]:
    """Return the trials that say what `past` does."""
    found: list[FrozenTrial] = []
    sampled = {student.number: student for student in past.students}
    for point in past.points:
        attrs: dict[Attr, Any] = {Attr.EVALUATION: asdict(point.evaluation)}
        if point.number in sampled:
            student = sampled[point.number]
            attrs |= _trained(student, student.audited)
        else:
            attrs[Attr.OFFERED_BY] = point.offered_by
        assert point.chain is not None
        values = [point.accuracy, float(point.size_bytes), point.latency_ms]
        found.append(_trial(space, point, point.chain, attrs, distributions, values))
    for one in past.stopped:
        attrs = _trained(one, one.ruling)
        found.append(_trial(space, one, one.chain, attrs, distributions))
    return sorted(found, key=lambda trial: trial.number)


def _trained(one: Student | Stopped, ruling: RecordedRuling | None) -> dict[Attr, Any]:
    said = {} if ruling is None else {Attr.RULING: dict(ruling.facts)}
    return {Attr.CURVE: one.curve, Attr.STAGES: [asdict(stage) for stage in one.stages], **said}


def _trial(
    space: Space,
    record: Point | Stopped,
    chain: ChainConfig,
    attrs: dict[Attr, Any],
    distributions: dict[str, BaseDistribution],
    values: Sequence[float] | None = None,
) -> FrozenTrial:
    # A trial is asked for no setting that is settled.
    params = {name: v for name, v in space.params_of(chain).items() if name in distributions}
    identity = {
        Attr.ORIGIN: record.origin if isinstance(record, Point) else "sampled",
        Attr.STUDENT: student_key(chain.student),
        Attr.SCHEME: chain.scheme.name,
        Attr.CHAIN: to_dict(chain),
    }
    trial = optuna.create_trial(
        state=TrialState.PRUNED if values is None else TrialState.COMPLETE,
        values=values,
        params=params,
        distributions={name: distributions[name] for name in params},
        user_attrs={name.value: value for name, value in (identity | attrs).items()},
    )
    trial.number = record.number
    trial.datetime_start = trial.datetime_complete = record.completed
    return trial


def write(storage: RDBStorage, study_name: str, trials: Sequence[FrozenTrial]) -> None:
    """Add finished `trials` to an SQLite study in one transaction.

    The rows are those of Study.add_trial, which takes a transaction and milliseconds for each.
    """
    engine = storage.engine
    tables = sqlalchemy.MetaData()
    tables.reflect(engine)
    study_id = storage.get_study_id_from_name(study_name)
    with engine.begin() as connection:
        for name, rows in _rows(study_id, _last(connection), trials).items():
            if rows:
                connection.execute(sqlalchemy.insert(tables.tables[name]), rows)


def _last(connection: sqlalchemy.Connection) -> int:
    return int(connection.exec_driver_sql("SELECT max(trial_id) FROM trials").scalar() or 0)


def _rows(
    study_id: int, last: int, trials: Sequence[FrozenTrial]
) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {
        "trials": [], "trial_params": [], "trial_values": [], "trial_user_attributes": [],
    }  # fmt: skip
    for place, trial in enumerate(trials, start=1):
        whose = {"trial_id": last + place}
        times = {
            "datetime_start": _utc(trial.datetime_start),
            "datetime_complete": _utc(trial.datetime_complete),
        }
        number = {"study_id": study_id, "number": last + place - 1, "state": trial.state.name}
        rows["trials"].append(whose | number | times)
        for name, value in trial.params.items():
            distribution = trial.distributions[name]
            rows["trial_params"].append(
                whose
                | {
                    "param_name": name,
                    "param_value": distribution.to_internal_repr(value),
                    "distribution_json": distribution_to_json(distribution),
                }
            )
        for objective, value in enumerate(trial.values or ()):
            finite = {"objective": objective, "value": value, "value_type": "FINITE"}
            rows["trial_values"].append(whose | finite)
        for key, said in trial.user_attrs.items():
            rows["trial_user_attributes"].append(
                whose | {"key": key, "value_json": json.dumps(said)}
            )
    return rows


def _utc(local: datetime | None) -> datetime | None:
    return None if local is None else local.astimezone(UTC).replace(tzinfo=None)
