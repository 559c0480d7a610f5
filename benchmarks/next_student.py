"""How long it takes to choose what is trained next: python -m benchmarks.next_student.

The space is that of the main job, far too large to be looked at whole; histories are made up, with
seven points a student as the offers leave them. Every figure is of choosing right after a trial
ended, so the outlook is made anew each time; the covariance is fitted anew now and then.
"""

import time
from datetime import UTC, datetime, timedelta

import numpy as np
import optuna

from objectives.costs import Cost, CostTable
from objectives.pareto import ReferencePoint
from search.freeze_thaw import FreezeThaw
from search.outlook import Ground
from spaces import SCHEMES, ChainConfig, architectures, scheme_named, student_key, suggest
from studies import StudyConfig, load_study
from studies.records import History, Point, Student

IMAGES = 360
CHOICES = 20
"""Students that end, one after the other, and are followed by a choice."""


def main() -> None:
    """Print the table."""
    config = load_study("kd_lora_q")
    print("| students | points | a choice, median ms | slowest ms |\n| --- | --- | --- | --- |")
    for students in (60, 430, 1000, 3000):
        took = _choices(config, students)
        print(
            f"| {students:,} | {7 * students:,} | {1e3 * np.median(took):.0f} | "
            f"{1e3 * max(took):.0f} |",
            flush=True,
        )


def _choices(config: StudyConfig, students: int) -> list[float]:
    points, ended = _ended(config, students + CHOICES)
    search = FreezeThaw(_ground(config), trials=10**6, seed=0)
    took = []
    for extra in range(CHOICES + 1):
        size = students + extra
        history = History(points=tuple(points[: 7 * size]), students=tuple(ended[:size]))
        begun = time.perf_counter()
        search.draw(history)
        took.append(time.perf_counter() - begun)
    return took[1:]  # The first reads all of the history's settings, once a process.


def _ground(config: StudyConfig) -> Ground:
    space, settled = config.search_space(), config.settled()
    costs = CostTable(
        tuple(
            Cost(network.key, scheme, int(9e6 * network.width) >> step, network.width,
                 network.width, 0.01, network.width * (1 - 0.1 * step), int(1e6 * network.width), 1)
            for network in architectures(space, settled)
            for step, scheme in enumerate(SCHEMES)
        ),
        "resnet18@1", "onnxruntime", {}, processes=3, calls=200, threads=1,
    )  # fmt: skip
    return Ground(space, settled, costs, ReferencePoint(0.85, 45_000_000, 2.0), IMAGES)


def _ended(config: StudyConfig, students: int) -> tuple[list[Point], list[Student]]:
    draws = np.random.default_rng(0)
    ground, began = _ground(config), datetime(2026, 1, 1, tzinfo=UTC)
    sampler = optuna.samplers.RandomSampler(seed=0)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=sampler)
    points: list[Point] = []
    ended: list[Student] = []
    for number in range(students):
        student = suggest(study.ask(), ground.space, ground.settled).student
        accuracy = float(0.97 - 0.1 * draws.beta(1, 3))
        chain, key = ChainConfig(student, scheme_named("fp32")), student_key(student)
        epochs = student.total_epochs
        curve = tuple((e / epochs, accuracy * e / epochs) for e in range(1, epochs + 1))
        when = began + timedelta(minutes=number)
        stages = ({"stage": "distill", "seconds": 10.0, "epochs": student.schedule.epochs},)
        ended.append(Student(number, key, chain, curve, stages, None, when, accuracy))
        for scheme in SCHEMES:
            cost = ground.costs.of(student.architecture.key, scheme)
            points.append(Point(number, "offered", key, scheme, None, accuracy, cost.size_bytes,
                                cost.latency_ms, {}, None, when))  # fmt: skip
    return points, ended


if __name__ == "__main__":
    main()
