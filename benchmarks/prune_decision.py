"""How long the search's own decisions take: a ruling, an offer, an ask. Run: python FILE.

Histories are made up: one student in six trials, one in ten of them stopped, 20 epochs a curve.
`ruling` is one epoch report between two endings, `after an ending` the first report after a trial
that ended, `cold` a worker that has just come.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median

import numpy as np
import optuna

from objectives.costs import Cost, CostTable
from search.offers import offers
from search.pruning import KnownCostPruner
from search.samplers import sampler_named
from spaces import (
    SCHEMES,
    Architecture,
    ChainConfig,
    Distillation,
    NoAdapter,
    Schedule,
    StudentConfig,
    scheme_named,
    student_key,
)
from studies.records import Attr, History, Point, Stopped, Student

IMAGES = 360
WIDTHS = (0.25, 0.5, 0.75, 1.0)
COSTS = CostTable(
    tuple(
        Cost(
            Architecture("mobilenet_v2", width).key,
            scheme,
            int(9e6 * width) >> step,
            width,
            width,
            0.01,
            width * (1 - 0.1 * step),
            1,
            1,
        )
        for width in WIDTHS
        for step, scheme in enumerate(SCHEMES)
    ),
    "resnet18@1",
    "onnxruntime",
    {},
    processes=3,
    calls=200,
    threads=1,
)


def chain(number: int, scheme: str = "fp32") -> ChainConfig:
    """Return the chain of a student that no other number has."""
    return ChainConfig(
        StudentConfig(
            Architecture("mobilenet_v2", WIDTHS[number % len(WIDTHS)]),
            Distillation(1 + number / 10, 0.5),
            Schedule(20, 0.01),
            NoAdapter(),
            seed=0,
        ),
        scheme_named(scheme),
    )


def history(trials: int) -> History:
    """Return a study of that many trials."""
    rng, began = np.random.default_rng(0), datetime(2026, 1, 1, tzinfo=UTC)
    points: list[Point] = []
    students: list[Student] = []
    stopped: list[Stopped] = []
    number = 0
    while number < trials:
        its_chain, when = chain(number), began + timedelta(seconds=number)
        key = student_key(its_chain.student)
        errors = 0.05 + 0.8 * np.exp(-np.arange(1, 21) / rng.uniform(2, 6))
        curve = tuple((float(e / 20), 1 - float(x)) for e, x in enumerate(errors, start=1))
        if rng.random() < 0.1:
            ruling = {"audited": False}
            stopped.append(Stopped(number, key, its_chain, curve[:5], (), ruling, when))
            number += 1
            continue
        audited = {"audited": True} if rng.random() < 0.03 else None
        students.append(
            Student(number, key, its_chain, curve, (), audited, when, accuracy=curve[-1][1])
        )
        for scheme in list(SCHEMES)[:6]:
            cost = COSTS.of(its_chain.student.architecture.key, scheme)
            points.append(
                Point(
                    number=number,
                    origin="sampled" if scheme == "fp32" else "offered",
                    student=key,
                    scheme=scheme,
                    chain=its_chain,
                    accuracy=curve[-1][1] - float(rng.integers(0, 8)) / IMAGES,
                    size_bytes=cost.size_bytes,
                    latency_ms=cost.latency_ms,
                    evaluation={},
                    baseline=None,
                    completed=when,
                )
            )
            number += 1
    return History(tuple(points), tuple(students), tuple(stopped))


def timed_ms(action: Callable[[], object], repeats: int) -> float:
    """Return the median time of `action`."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        times.append((time.perf_counter() - began) * 1e3)
    return median(times)


def decisions(trials: int) -> None:
    """Print a row for a study of that many trials."""
    whole = history(trials)
    before = History(whole.points[:-6], whole.students[:-1], whole.stopped)
    new, curve = chain(10**6 + 3), [(e / 20, 0.3) for e in range(1, 8)]

    def rule(pruner: KnownCostPruner, at: History) -> None:
        pruner.rule(at, new, curve, COSTS, tuple(SCHEMES), IMAGES)

    following = KnownCostPruner()
    rule(following, whole)
    ruling = timed_ms(lambda: rule(following, whole), 200)
    after = []
    for _ in range(9):
        pruner = KnownCostPruner()
        rule(pruner, before)
        after.append(timed_ms(lambda pruner=pruner: rule(pruner, whole), 1))  # type: ignore[misc]
    cold = timed_ms(lambda: rule(KnownCostPruner(), whole), 5)
    offering = timed_ms(lambda: offers(whole, new, 0.95, COSTS, tuple(SCHEMES)), 5)
    print(
        f"| {trials:,} | {len(whole.students):,} | {ruling:.2f} | {median(after):.2f} "
        f"| {cold:.1f} | {offering:.1f} |"
    )


def ask_and_tell(name: str, students: int) -> None:
    """Print a row for a study with that many students, each offered five more schemes."""
    study = optuna.create_study(
        directions=["maximize", "minimize", "minimize"], sampler=sampler_named(name, 0)
    )

    def ask() -> optuna.Trial:
        trial = study.ask()
        for setting in ("alpha", "temperature", "learning_rate", "lora_alpha", "lora_dropout"):
            trial.suggest_float(setting, 0, 1, step=0.1)
        for setting in ("width", "lora_rank", "scheme"):
            trial.suggest_categorical(setting, [0, 1, 2, 3])
        return trial

    rng, first = np.random.default_rng(0), ask()
    distributions = first.distributions
    study.tell(first, state=optuna.trial.TrialState.FAIL)
    for number in range(6 * students):
        params = {
            setting: rng.integers(4) if setting in {"width", "lora_rank", "scheme"} else 0.1
            for setting in distributions
        }
        params |= {s: float(rng.integers(11)) / 10 for s, v in params.items() if v == 0.1}
        study.add_trial(
            optuna.create_trial(
                values=rng.random(3).tolist(),
                params={s: int(v) if isinstance(v, np.integer) else v for s, v in params.items()},
                distributions=distributions,
                user_attrs={} if number % 6 == 0 else {Attr.ORIGIN: "offered"},
            )
        )
    cold = timed_ms(ask, 1)
    following = timed_ms(lambda: study.tell(ask(), [0.5, 0.5, 0.5]), 5)
    print(f"| {name} | {students:,} | {6 * students:,} | {cold:.0f} | {following:.0f} |")


def main() -> None:
    """Print both tables."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print("| trials | students | ruling ms | after an ending ms | cold ms | offers ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for trials in (1_000, 10_000):
        decisions(trials)
    print("\n| sampler | students | points | first ask ms | ask + tell ms |")
    print("| --- | --- | --- | --- | --- |")
    for name in ("tpe", "nsgaii", "qmc", "random"):
        for students in (167, 1_000, 3_000):
            ask_and_tell(name, students)


if __name__ == "__main__":
    main()
