"""How long the stand-alone pruner takes in a long study; a part of prune_decision.

`ruling` is Watch.should_stop in memory. In SQLite, as Optuna opens it, it is reading what others
wrote, and judging; `own report` is the write of the trial's own curve, which is Optuna's.
"""

import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from benchmarks.timings import made_up
from benchmarks.timings.harness import Action, TablePrinter, measure
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


def in_memory(sizes: Sequence[int], printer: TablePrinter) -> None:
    """Print a table of rulings in memory."""
    printer.head(
        {
            "stand-alone, in memory": ",",
            "ruling ms": ".2f",
            "after an ending ms": ".2f",
            "cold ms": ".0f",
        }
    )
    for trials in sizes:
        study = optuna.create_study(directions=DIRECTIONS)
        study.add_trials(past(trials))
        stopper = KnownCostStopper(study, 0)
        cold = measure([_ruling(stopper)])
        between = measure(_report(study, stopper) for _ in range(50))
        after = measure(_reports_after_endings(study, stopper))
        printer.row(trials, between.median_ms, after.median_ms, cold.median_ms)


def in_sqlite(sizes: Sequence[int], printer: TablePrinter) -> None:
    """Print a table of rulings on a real file."""
    printer.head(
        {
            "stand-alone, SQLite": "",
            "trials": ",",
            "ruling ms": ".2f",
            "after an ending ms": ".2f",
            "own report ms": ".1f",
        }
    )
    for trials in sizes:
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{Path(folder) / 'study.db'}"
            storage = RDBStorage(url)
            study = optuna.create_study(storage=storage, directions=DIRECTIONS, study_name="it")
            made_up.write(storage, "it", past(trials))
            others = optuna.load_study(storage=RDBStorage(url), study_name="it")
            for words, told in (("study alone", None), ("told its storage", storage)):
                stopper = KnownCostStopper(study, 0, storage=told)
                _ruling(stopper)()
                rulings_ms = _rulings_ms(stopper, others)
                printer.row(words, trials, *rulings_ms, _own_report_ms(study))


def _own_report_ms(study: optuna.Study) -> float:
    trial = study.ask()
    curve = [[0.5, 0.5]] * STEPS
    times = measure([partial(trial.set_user_attr, "curve", curve)] * 10)
    study.tell(trial, state=TrialState.FAIL)
    return times.median_ms


def _rulings_ms(stopper: KnownCostStopper, others: optuna.Study) -> tuple[float, float]:
    """Return the time of a ruling after others reported, and after one of them ended."""
    running = [others.ask() for _ in range(7)]

    def after_reports() -> Iterator[Action]:
        for step in range(20):
            for trial in running:
                trial.set_user_attr(WatchedAttr.CURVE, [[step / 100, 0.5]] * STEPS)
            yield _ruling(stopper)

    def after_endings() -> Iterator[Action]:
        for extra in past(10):
            others.add_trial(extra)
            yield _ruling(stopper)

    between, after = measure(after_reports()), measure(after_endings())
    for trial in running:
        others.tell(trial, state=TrialState.FAIL)
    return between.median_ms, after.median_ms


def _ruling(stopper: KnownCostStopper) -> Action:
    """Return what a trial's later report asks: read, and compare its bound with the incumbent."""
    return partial(stopper.reason, 10**6, KNOWN, 0.5, 0.1, 0.2)


def _reports_after_endings(study: optuna.Study, stopper: KnownCostStopper) -> Iterator[Action]:
    for extra in past(20):
        report = _report(study, stopper)
        study.add_trial(extra)
        yield report


def _report(study: optuna.Study, stopper: KnownCostStopper) -> Action:
    watch = stopper.watch(study.ask(), KNOWN)
    return partial(watch.should_stop, 0.1, 0.5)
