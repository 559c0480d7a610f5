"""Costs, chains and whole histories at random, for twins to compare on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from objectives import Evaluation
from objectives.costs.table import Cost, CostTable
from spaces import (
    ChainConfig,
    Distill,
    Logit,
    Network,
    StudentConfig,
    scheme_named,
    student_key,
)
from studies.records import History, Point, RecordedRuling, Stopped, Student

IMAGES = 200
WIDTHS = (0.25, 0.5, 1.0)
SCHEME_NAMES = (
    "fp32",
    "fp16",
    "int8_weight_only",
    "int8_static",
    "int4_weight_only",
    "w4a8",
    "int8_dynamic",
)
"""Some that there are: what is drawn from them must not change when others are added."""


def chain(student: int, width: float = 0.5, scheme: str = "fp32") -> ChainConfig:
    """Return a chain; students of different numbers have different keys."""
    method = Logit(alpha=0.5 + student // 900 / 10_000, temperature=1 + student % 900)
    return ChainConfig(
        StudentConfig(
            Network("mobilenet_v2", width),
            (Distill(epochs=10, learning_rate=0.01, method=method),),
            seed=0,
        ),
        scheme_named(scheme),
    )


def key(student: int, width: float = 0.5) -> str:
    return student_key(chain(student, width).student)


def cost_table() -> CostTable:
    """Return costs in which size halves from scheme to scheme and static schemes are faster."""
    costs = tuple(
        Cost(
            network=Network("mobilenet_v2", width).key,
            layout=scheme.layout.key,
            size_bytes=int(1e6 * width) >> step,
            median_ms=width * (1.0 if step % 2 else 2.0),
            p95_ms=width * 3,
            repeatability=0.01,
            latency_ms=width * (1.0 if step % 2 else 2.0),
            flops=1,
            parameters=1,
        )
        for width in WIDTHS
        for step, scheme in enumerate(map(scheme_named, SCHEME_NAMES))
    )
    return CostTable(costs, "resnet18@1", "onnxruntime", {}, processes=3, calls=100, threads=1)


def curve(rng: np.random.Generator, epochs: int = 8) -> tuple[tuple[float, float], ...]:
    """Return a learning curve that rises, with the noise of IMAGES images."""
    final, start = 0.02 + 0.3 * rng.beta(1, 4), 0.9
    pace = rng.lognormal(1.0, 0.4)
    progress = np.arange(1, epochs + 1) / epochs
    errors = final + (start - final) * np.exp(-3 * pace * progress) * (1 - progress)
    correct = rng.binomial(IMAGES, 1 - errors)
    return tuple(zip(progress.tolist(), (correct / IMAGES).tolist(), strict=True))


def evaluation(accuracy: float, size_bytes: int) -> Evaluation:
    """Return an evaluation of which nothing but accuracy and size is told."""
    return Evaluation(
        split="validation",
        images=IMAGES,
        accuracy=accuracy,
        f1=accuracy,
        precision=accuracy,
        recall=accuracy,
        kl_to_teacher=0.0,
        confusion=(),
        size_bytes=size_bytes,
        seconds=0.0,
    )


def ruling(*, audited: bool = False, paused: bool = False) -> RecordedRuling:
    """Return a ruling without words."""
    return RecordedRuling("", 0.5, {"audited": audited, "paused": paused, "words": ""})


def history(rng: np.random.Generator, students: int) -> History:
    """Return a history whose students are complete, audited or stopped at random, some twice."""
    points: list[Point] = []
    complete: list[Student] = []
    stopped: list[Stopped] = []
    costs, share_bad = cost_table(), rng.uniform(0, 0.4)
    number = 0
    for _ in range(students):
        identity, width = int(rng.integers(0, 2 * students)), float(rng.choice(WIDTHS))
        # The same student has the same curve in every trial.
        its_curve = curve(np.random.default_rng([identity, int(100 * width)]))
        bad = rng.random() < share_bad
        when = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
        scheme = str(rng.choice(list(SCHEME_NAMES)))
        its_chain = chain(identity, width, scheme)
        if bad and rng.random() < 0.6:
            cut = its_curve[: int(rng.integers(1, len(its_curve)))]
            its_key = student_key(its_chain.student)
            stopped.append(Stopped(number, its_key, its_chain, cut, (), ruling(), when))
            number += 1
            continue
        student = Student(
            number=number,
            key=student_key(its_chain.student),
            chain=its_chain,
            curve=its_curve,
            stages=(),
            audited=ruling(audited=True) if bad else None,
            completed=when,
            accuracy=its_curve[-1][1],
        )
        complete.append(student)
        offered = rng.choice(list(SCHEME_NAMES), size=int(rng.integers(0, 5)), replace=False)
        schemes = dict.fromkeys([scheme, *map(str, offered)])
        for name in schemes:
            points.append(point(student, name, number, rng.integers(-2, 15) / IMAGES, costs))
            number += 1
    return History(tuple(points), tuple(complete), tuple(stopped))


def point(student: Student, scheme: str, number: int, loss: float, costs: CostTable) -> Point:
    """Return the point of `student` under `scheme`, `loss` below its float accuracy."""
    cost = costs.of(student.chain.student.network.key, scheme)
    accuracy = min(1.0, student.accuracy - loss)
    return Point(
        number=number,
        origin="sampled" if number == student.number else "offered",
        student=student.key,
        scheme=scheme,
        chain=replace(student.chain, scheme=scheme_named(scheme)),
        accuracy=accuracy,
        size_bytes=cost.size_bytes,
        latency_ms=cost.latency_ms,
        evaluation=evaluation(accuracy, cost.size_bytes),
        baseline=None,
        completed=student.completed,
    )
