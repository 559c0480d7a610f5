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

from objectives import Evaluation
from objectives.costs import Cost, CostTable
from objectives.fronts import ReferencePoint
from search.forecasts import Ground
from spaces import (
    SCHEMES,
    ChainConfig,
    architectures,
    params_of,
    scheme_named,
    student_key,
    suggest,
    to_dict,
)
from studies import StudyConfig
from studies.records import Attr, History, Point, Stopped, Student

IMAGES = 360
TEACHER = "resnet18@1"
POINTS = 6
"""Of every trained student: its own and five offers."""


def ground_of(config: StudyConfig) -> Ground:
    """Return what a study settles before its first trial, its costs made up."""
    space, settled = config.search_space(), config.settled()
    networks = [(network.key, network.width) for network in architectures(space, settled)]
    costs = CostTable(
        tuple(
            Cost(key, scheme, int(9e6 * width) >> step, width, width, 0.01,
                 width * (1 - 0.1 * step), int(1e6 * width), int(2e6 * width))
            for key, width in [(TEACHER, 5.0), *networks]
            for step, scheme in enumerate(SCHEMES)
        ),
        TEACHER, "onnxruntime", {}, processes=3, calls=200, threads=1,
    )  # fmt: skip
    return Ground(space, settled, costs, ReferencePoint(0.85, 45_000_000, 5.0), IMAGES, 0.95)


def chains(
    config: StudyConfig, count: int
) -> tuple[list[ChainConfig], dict[str, BaseDistribution]]:
    """Return chains with settings at random, and the distributions that those came from."""
    ground = ground_of(config)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found: dict[str, ChainConfig] = {}
    distributions: dict[str, BaseDistribution] = {}
    while len(found) < count:
        trial = study.ask()
        chain = suggest(trial, ground.space, ground.settled)
        found[student_key(chain.student)] = chain
        distributions |= trial.distributions
    return list(found.values()), distributions


def history(config: StudyConfig, drawn: Iterable[ChainConfig], trials: int) -> History:
    """Return a study of so many trials, of the first of the `drawn` chains."""
    draws = np.random.default_rng(0)
    points: list[Point] = []
    students: list[Student] = []
    stopped: list[Stopped] = []
    costs, number = ground_of(config).costs, 0
    for chain in drawn:
        if number >= trials:
            break
        key, when = student_key(chain.student), datetime(2026, 1, 1) + timedelta(seconds=number)
        curve = _curve(draws, chain)
        if draws.random() < 0.1:
            ruling = {"audited": False, "paused": False, "words": "made up"}
            cut = curve[: len(curve) // 3]
            stages = _stages(chain, key, len(cut))
            stopped.append(Stopped(number, key, chain, cut, stages, ruling, when))
            number += 1
            continue
        audited = {"audited": True, "progress": 0.5} if draws.random() < 1 / 30 else None
        stages = _stages(chain, key, len(curve))
        student = Student(number, key, chain, curve, stages, audited, when, curve[-1][1])
        students.append(student)
        others = [name for name in SCHEMES if SCHEMES[name] != chain.scheme]
        own = next(name for name in SCHEMES if SCHEMES[name] == chain.scheme)
        for scheme in [own, *others[: POINTS - 1]]:
            points.append(_point(student, scheme, number, costs, draws))
            number += 1
    return History(tuple(points), tuple(students), tuple(stopped))


def _curve(draws: np.random.Generator, chain: ChainConfig) -> tuple[tuple[float, float], ...]:
    epochs = chain.student.total_epochs
    progress = np.arange(1, epochs + 1) / epochs
    least = 0.02 + 0.06 * (1 - chain.student.architecture.width) + 0.1 * draws.beta(1, 3)
    errors = least + (0.9 - least) * np.exp(-progress * draws.uniform(4, 9))
    right = draws.binomial(IMAGES, 1 - errors) / IMAGES
    return tuple(zip(progress.tolist(), right.tolist(), strict=True))


def _stages(chain: ChainConfig, key: str, epochs: int) -> tuple[dict[str, Any], ...]:
    distilled = min(epochs, chain.student.schedule.epochs)
    return tuple(
        {"stage": name, "key": f"{name} {key}", "seconds": 2.0 * done, "seconds_reused": 0.0,
         "epochs": done}
        for name, done in (("distill", distilled), ("adapt", epochs - distilled))
        if done
    )  # fmt: skip


def _point(
    student: Student, scheme: str, number: int, costs: CostTable, draws: np.random.Generator
) -> Point:
    cost = costs.of(student.chain.student.architecture.key, scheme)
    lost = 2 * list(SCHEMES).index(scheme) + int(draws.integers(-2, 8))  # images
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
        evaluation=asdict(evaluation(accuracy, cost.size_bytes)),
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


def trials_of(past: History, distributions: dict[str, BaseDistribution]) -> list[FrozenTrial]:
    """Return the trials that say what `past` does."""
    found: list[FrozenTrial] = []
    sampled = {student.number: student for student in past.students}
    for point in past.points:
        attrs: dict[Attr, Any] = {Attr.EVALUATION: point.evaluation}
        if point.number in sampled:
            attrs |= _trained(sampled[point.number])
        else:
            attrs[Attr.OFFERED_BY] = point.offered_by
        assert point.chain is not None
        values = [point.accuracy, float(point.size_bytes), point.latency_ms]
        found.append(_trial(point, point.chain, attrs, distributions, values))
    for one in past.stopped:
        attrs = {Attr.CURVE: one.curve, Attr.STAGES: one.stages, Attr.RULING: one.ruling}
        found.append(_trial(one, one.chain, attrs, distributions))
    return sorted(found, key=lambda trial: trial.number)


def _trained(student: Student) -> dict[Attr, Any]:
    ruling = {} if student.audited is None else {Attr.RULING: student.audited}
    return {Attr.CURVE: student.curve, Attr.STAGES: student.stages, **ruling}


def _trial(
    record: Point | Stopped,
    chain: ChainConfig,
    attrs: dict[Attr, Any],
    distributions: dict[str, BaseDistribution],
    values: Sequence[float] | None = None,
) -> FrozenTrial:
    params = params_of(chain)
    identity = {
        Attr.ORIGIN: record.origin if isinstance(record, Point) else "sampled",
        Attr.STUDENT: student_key(chain.student),
        Attr.SCHEME: params["scheme"],
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
