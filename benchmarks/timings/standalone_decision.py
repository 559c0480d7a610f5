"""How long the stand-alone pruner takes in a long study; a part of prune_decision.

`ruling` is Watch.should_stop in memory. In SQLite, as Optuna opens it, it is reading what others
wrote, and judging; `own report` is the write of the trial's own curve, which is Optuna's.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from statistics import median

import numpy as np
import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from benchmarks.timings import made_up
from search.stopping import KnownCostStopper, WatchedAttr

DIRECTIONS = ("maximize", "minimize", "minimize")
KNOWN = (500.0, 5.0)
"""Size and latency of the trial that is ruled on."""
STEPS = 20
DISTRIBUTION = optuna.distributions.FloatDistribution(0, 1)


def past(trials: int) -> list[FrozenTrial]:
    """Return watched trials that ended, one in ten of them stopped."""
    draws = np.random.default_rng(0)
    found = []
    for number in range(trials):
        final, pace = draws.uniform(0.5, 0.9), draws.uniform(4, 9)
        progress = np.arange(1, STEPS + 1) / STEPS
        curve = [[e, final * (1 - float(np.exp(-pace * e)))] for e in progress.tolist()]
        known = [float(draws.integers(100, 1000)), float(draws.integers(1, 10))]
        attrs = {WatchedAttr.CURVE.value: curve, WatchedAttr.KNOWN.value: known}
        stopped = draws.random() < 0.1
        if stopped:
            attrs |= {WatchedAttr.RULING.value: {"audited": False}}
        trial = optuna.create_trial(
            state=TrialState.PRUNED if stopped else TrialState.COMPLETE,
            values=None if stopped else [curve[-1][1], *known],
            params={"rate": float(draws.random())},
            distributions={"rate": DISTRIBUTION},
            user_attrs=attrs,
        )
        trial.number = number
        trial.datetime_start = trial.datetime_complete = datetime(2026, 1, 1)
        found.append(trial)
    return found


def in_memory(sizes: Sequence[int]) -> None:
    """Print a table of rulings in memory."""
    print("\n| stand-alone, in memory | ruling ms | after an ending ms | cold ms |")
    print("| --- | --- | --- | --- |")
    for trials in sizes:
        study = optuna.create_study(directions=DIRECTIONS)
        study.add_trials(past(trials))
        stopper = KnownCostStopper(study, 0)
        cold = _ruling_ms(stopper)
        between = [_timed_ms(_report(study, stopper)) for _ in range(50)]
        after = []
        for extra in past(20):
            report = _report(study, stopper)
            study.add_trial(extra)
            after.append(_timed_ms(report))
        print(f"| {trials:,} | {median(between):.2f} | {median(after):.2f} | {cold:.0f} |")


def in_sqlite(sizes: Sequence[int]) -> None:
    """Print a table of rulings on a real file."""
    print("\n| stand-alone, SQLite | trials | ruling ms | after an ending ms | own report ms |")
    print("| --- | --- | --- | --- | --- |")
    for trials in sizes:
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{Path(folder) / 'study.db'}"
            storage = RDBStorage(url)
            study = optuna.create_study(storage=storage, directions=DIRECTIONS, study_name="it")
            made_up.write(storage, "it", past(trials))
            others = optuna.load_study(storage=RDBStorage(url), study_name="it")
            for words, told in (("study alone", None), ("told its storage", storage)):
                stopper = KnownCostStopper(study, 0, storage=told)
                _ruling_ms(stopper)
                between, after = _rulings(stopper, others)
                own = _own_report_ms(study)
                print(f"| {words} | {trials:,} | {between:.2f} | {after:.2f} | {own:.1f} |")


def _own_report_ms(study: optuna.Study) -> float:
    trial = study.ask()
    curve = [[0.5, 0.5]] * STEPS
    times = [_timed_ms(lambda: trial.set_user_attr("curve", curve)) for _ in range(10)]
    study.tell(trial, state=TrialState.FAIL)
    return median(times)


def _rulings(stopper: KnownCostStopper, others: optuna.Study) -> tuple[float, float]:
    """Return the time of a ruling after others reported, and after one of them ended."""
    running = [others.ask() for _ in range(7)]
    between, after = [], []
    for step in range(20):
        for trial in running:
            trial.set_user_attr(WatchedAttr.CURVE, [[step / 100, 0.5]] * STEPS)
        between.append(_ruling_ms(stopper))
    for extra in past(10):
        others.add_trial(extra)
        after.append(_ruling_ms(stopper))
    for trial in running:
        others.tell(trial, state=TrialState.FAIL)
    return median(between), median(after)


def _ruling_ms(stopper: KnownCostStopper) -> float:
    """Time what a trial's later report asks: read, and compare its bound with the incumbent."""
    return _timed_ms(lambda: stopper.reason(10**6, KNOWN, 0.5, 0.1, 0.2))


def _report(study: optuna.Study, stopper: KnownCostStopper) -> Callable[[], object]:
    watch = stopper.watch(study.ask(), KNOWN)
    return lambda: watch.should_stop(0.1, 0.5)


def _timed_ms(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return (time.perf_counter() - begun) * 1e3
