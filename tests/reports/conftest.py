"""A fabricated study: trials that say what a worker would have written, nothing trained."""

import math
import random
import warnings
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import optuna
import pytest

from objectives.costs.table import Cost, CostTable, with_levels
from reports.summary import StudySummary
from search.stopping.pruning import Audit, Reason, Stop, as_record
from spaces import (
    SCHEMES,
    Architecture,
    ChainConfig,
    Choice,
    Distillation,
    LoRA,
    NoAdapter,
    PlainTraining,
    Schedule,
    Space,
    Steps,
    StudentConfig,
    params_of,
    student_key,
    to_dict,
)
from studies.records import Attr, History, Point, StudyAttr

DISTILL = Schedule(epochs=8, learning_rate=0.003)
ADAPT = Schedule(epochs=4, learning_rate=0.001)
TEACHER = Architecture("resnet18")
WIDTHS = (0.25, 0.5, 0.75, 1.0)
IMAGES = 360
BITS = {
    "fp32": 32,
    "fp16": 16,
    "int8_weight_only": 8,
    "int8_static": 8,
    "int4_weight_only": 4,
    "w4a8": 4,
    "int8_dynamic": 31.5,
}
SPACE = Space(
    width=Choice(WIDTHS),
    alpha=Steps(0, 1, 0.1),
    temperature=Steps(1, 10, 1),
    learning_rate=Choice((0.001, 0.003, 0.01)),
    lora_rank=Choice((0, 4, 8, 16)),
    lora_alpha=Choice((8, 16)),
    lora_dropout=Choice((0.0, 0.1)),
    lora_targets=Choice(("classifier", "pointwise", "classifier+pointwise", "dense")),
    lora_learning_rate=Choice((0.001, 0.003)),
    scheme=Choice(tuple(SCHEMES)),
)
BEGIN = datetime(2026, 3, 1, 9, 0, 0)
Fabricate = Callable[..., optuna.Study]


def cost_table(*, imported: bool = False) -> CostTable:
    """Sizes and latencies in the proportions that FACTS measured."""
    costs = []
    for key, parameters, base_ms in [
        ("resnet18@1", 11_200_000, 3.4),
        *((f"mobilenet_v2@{w:g}", round(2_240_000 * w**1.6), 0.3 + 1.1 * w) for w in WIDTHS),
    ]:
        for scheme, bits in BITS.items():
            median = base_ms * (0.64 if scheme in {"int8_static", "w4a8"} else 1.0)
            costs.append(
                Cost(
                    architecture=key,
                    scheme=scheme,
                    size_bytes=round(parameters * bits / 8) + 40_000,
                    median_ms=median,
                    p95_ms=1.3 * median,
                    repeatability=0.03,
                    latency_ms=median,
                    flops=20 * parameters,
                    parameters=parameters,
                )
            )
    return CostTable(
        costs=with_levels(costs, 0.03),
        teacher="resnet18@1",
        runtime="onnxruntime",
        device={"processor": "a test bench", "cores": "2", "onnxruntime": "1.31.1"},
        processes=3,
        calls=200,
        threads=1,
        imported=imported,
    )


def evaluation(accuracy: float, size_bytes: int) -> dict[str, Any]:
    right = round(accuracy * IMAGES / 10)
    wrong = IMAGES // 10 - right
    confusion = [[0] * 10 for _ in range(10)]
    for true in range(10):
        confusion[true][true] = right
        confusion[true][(true + 1) % 10] = wrong
    return {
        "split": "validation",
        "images": IMAGES,
        "accuracy": accuracy,
        "f1": accuracy - 0.002,
        "precision": accuracy,
        "recall": accuracy,
        "kl_to_teacher": 0.05,
        "confusion": confusion,
        "size_bytes": size_bytes,
        "seconds": 0.7,
    }


class _Writer:
    """Adds finished trials to a study, as a worker and its offers would."""

    def __init__(self, study: optuna.Study, seed: int) -> None:
        self.study, self.random, self.costs = study, random.Random(seed), cost_table()
        self.now, self.number, self.trials = BEGIN, 0, []

    def chain(self) -> ChainConfig:
        draw = self.random
        alpha = draw.choice([0.0, 0.3, 0.5, 0.7, 0.9])
        method = Distillation(float(draw.randint(1, 10)), alpha) if alpha else PlainTraining()
        rank = draw.choice([0, 0, 4, 8, 16])
        targets = draw.choice(["classifier", "pointwise", "classifier+pointwise"])
        adaptation = LoRA(rank, 16.0, 0.0, targets, ADAPT) if rank else NoAdapter()
        rate = draw.choice([0.001, 0.003, 0.01])
        student = StudentConfig(
            Architecture("mobilenet_v2", draw.choice(WIDTHS)),
            method,
            Schedule(epochs=8, learning_rate=rate),
            adaptation,
            seed=0,
        )
        return ChainConfig(student, SCHEMES[draw.choice(list(SCHEMES))])

    def quality(self, chain: ChainConfig) -> float:
        student = chain.student
        lost = 0.06 * (1 - student.architecture.width) ** 2 + 0.02 * (student.method.alpha == 0)
        lost += 0.12 * (student.schedule.learning_rate == 0.01) + abs(self.random.gauss(0, 0.012))
        return 0.985 - lost + 0.004 * (student.adaptation.rank > 0)

    def curve(self, chain: ChainConfig, final: float) -> list[list[float]]:
        epochs = chain.student.total_epochs
        curve = []
        for epoch in range(1, epochs + 1):
            e = epoch / epochs
            value = final * (1 - 0.85 * math.exp(-6 * e)) + self.random.gauss(0, 0.006) * (e < 1)
            curve.append([e, round(min(max(value, 0.1), 1), 4)])
        curve[-1][1] = round(final, 4)
        return curve

    def stages(self, chain: ChainConfig, progress: float) -> list[dict[str, Any]]:
        pace, reused = 6 * chain.student.architecture.width + 2, self.random.random() < 0.2
        epochs = round(progress * chain.student.total_epochs)
        distill = min(epochs, 8)
        plan = [("distill", distill, pace), ("adapt", epochs - distill, pace / 2)]
        return [
            {
                "stage": stage,
                "key": f"{stage}{self.number}",
                "seconds": n * each,
                "seconds_reused": n * each if reused and stage == "distill" else 0.0,
                "epochs": n,
            }
            for stage, n, each in plan
            if n
        ]

    def add(self, state: optuna.trial.TrialState, minutes: float, **attrs: Any) -> int:
        self.now += timedelta(minutes=minutes)
        chain = attrs.pop("chain", None)
        values = attrs.pop("values", None)
        params = params_of(chain) if chain else {}
        distributions = {
            name: optuna.distributions.CategoricalDistribution(list(domain.values))
            for name, domain in vars(SPACE).items()
            if name in params
        }
        if chain:
            attrs |= {Attr.CHAIN: to_dict(chain), Attr.STUDENT: student_key(chain.student)}
        trial = optuna.trial.create_trial(
            state=state,
            values=values,
            params=params,
            distributions=distributions,
            user_attrs={str(key): value for key, value in attrs.items()},
        )
        trial.datetime_start, trial.datetime_complete = (
            self.now - timedelta(minutes=minutes),
            self.now,
        )
        self.trials.append(trial)
        self.number += 1
        return self.number - 1

    def point(self, chain: ChainConfig | None, scheme: str, accuracy: float, **attrs: Any) -> int:
        key = chain.student.architecture.key if chain else "resnet18@1"
        cost = self.costs.of(key, scheme)
        lost = {"int4_weight_only": 0.03, "w4a8": 0.035}.get(
            scheme, 0.0
        ) + self.random.random() * 0.004
        accuracy = round((accuracy - lost) * IMAGES) / IMAGES
        return self.add(
            optuna.trial.TrialState.COMPLETE,
            attrs.pop("minutes", 0.02),
            chain=chain,
            values=(accuracy, cost.size_bytes, cost.latency_ms),
            **{Attr.SCHEME: scheme, Attr.EVALUATION: evaluation(accuracy, cost.size_bytes)},
            **attrs,
        )

    def teacher_baselines(self) -> None:
        for scheme in ("fp32", "int8_static"):
            self.point(
                None,
                scheme,
                0.99,
                **{
                    Attr.ORIGIN: "baseline",
                    Attr.STUDENT: "teacher",
                    Attr.BASELINE: "teacher quantized directly" if scheme != "fp32" else "teacher",
                },
            )

    def sampled(self, *, offers: bool = True) -> None:
        chain = self.chain()
        final = self.quality(chain)
        curve = self.curve(chain, final)
        scheme = next(name for name, known in SCHEMES.items() if known == chain.scheme)
        common = {Attr.ORIGIN: "sampled"}
        weak = final < 0.9
        halfway = len(curve) // 2
        reason = Reason(
            progress=0.5,
            accuracy=curve[halfway - 1][1],
            bound=0.931,
            level=0.9,
            students=14,
            scheme="int8_static",
            reach=0.93,
            incumbent=0.972,
            incumbent_number=3,
            margin=0.018,
            shortfall=0.024,
        )
        if weak and self.random.random() < 0.7:
            self.add(
                optuna.trial.TrialState.PRUNED,
                1.5,
                chain=chain,
                **common,
                **{
                    Attr.CURVE: curve[:halfway],
                    Attr.STAGES: self.stages(chain, 0.5),
                    Attr.RULING: as_record(Stop(reason)),
                    Attr.SCHEME: scheme,
                },
            )
            return
        if weak:
            common[Attr.RULING] = as_record(Audit(reason))
        stages = self.stages(chain, 1.0)
        own = {Attr.CURVE: curve, Attr.STAGES: stages, "minutes": 2.5}
        number = self.point(chain, scheme, final, **common, **own)
        for other in ("int8_static", "w4a8") if offers else ():
            if other != scheme:
                self.point(
                    ChainConfig(chain.student, SCHEMES[other]),
                    other,
                    final,
                    **{Attr.ORIGIN: "offered", Attr.OFFERED_BY: number},
                )

    def failed(self) -> None:
        self.add(
            optuna.trial.TrialState.FAIL,
            0.5,
            chain=self.chain(),
            **{
                Attr.ORIGIN: "sampled",
                Attr.FAILURE: {"kind": "diverged", "reason": "loss is NaN in epoch 2 at 0.01"},
            },
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
    ) -> optuna.Study:
        study = optuna.create_study(
            storage=storage or optuna.storages.InMemoryStorage(),
            study_name=name,
            directions=["maximize", *["minimize"] * (len(objectives) - 1)],
        )
        with warnings.catch_warnings():  # Optuna calls names of objectives experimental
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(list(objectives))
        study.set_user_attr(
            StudyAttr.CONFIG,
            {
                "name": name,
                "objectives": list(objectives),
                "seed": 0,
                "trials": sampled,
                "data": {"name": "digits", "image_size": 32},
                "bounds": {"accuracy_of_teacher": 0.9},
            },
        )
        study.set_user_attr(StudyAttr.FINGERPRINT, "fabricated")
        study.set_user_attr(StudyAttr.COSTS, to_dict(cost_table(imported=imported)))
        study.set_user_attr(
            StudyAttr.TEACHER,
            {
                "key": "t",
                "architecture": "resnet18@1",
                "accuracy": 0.9889,
                "seconds": 93.0,
                "stages": [],
            },
        )
        writer = _Writer(study, seed)
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
            str(member.point.number): member.point.evaluation
            | {"split": "test", "accuracy": member.point.accuracy - 0.004}
            for member in summary.front
        }
        teacher = evaluation(0.985, summary.teacher.cost.size_bytes) | {"split": "test"}
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
            StudyAttr.CONFIG: {"objectives": ["accuracy", "size_bytes", "latency_ms"]} | config,
            StudyAttr.COSTS: to_dict(cost_table()),
            StudyAttr.TEACHER: {"accuracy": 0.9889, "seconds": 93.0},
        }
        return StudySummary.of("by_hand", attrs, history)

    return make
