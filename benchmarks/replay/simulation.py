"""A search on a recorded table: the real engine, a simulated chain and a simulated clock.

Workers claim, sample, rule, offer and resume with the program's own code; only what takes a
machine is answered from the table, at its recorded price. One process, no threads, no sleeping.
"""

import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from types import SimpleNamespace
from typing import cast

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from benchmarks.replay.clock import Clock
from benchmarks.replay.simulated_chain import SimulatedWorkbench, Stages
from benchmarks.replay.simulated_study import (
    NoPresenter,
    SimulatedHeartbeat,
    SimulatedStopSignal,
    SimulatedStorage,
    furnish,
)
from benchmarks.replay.stopwatch import Stopwatch, TimedSampler
from benchmarks.replay.trace import End, Ending, FoundPoint, Trace
from benchmarks.tables import Table, problem_of
from objectives import Workbench
from search.stopping import Pruner
from search.strategy import Offer, Parts, Scheduler, offers
from search.workers import (
    Bench,
    Claims,
    Emit,
    EpochEnded,
    Event,
    PointAdded,
    StopSignal,
    TrialBegan,
    TrialEnded,
    Worker,
)
from spaces import DistilfrontError
from studies import DIRECTIONS
from studies.records import Attr, HistoryReader


@dataclass(frozen=True)
class Strategy:
    """A way to search."""

    name: str
    parts: Callable[[Table, int, int], Parts]
    """Makes its parts anew for every study, from the table, the seed and the trials in all."""
    offers: bool = True
    """Whether further schemes of a trained student are evaluated."""
    shares: bool = True
    """Whether trials reuse what others have trained; a paused one always goes on from its own."""
    baselines: bool = True
    """Whether the study begins with the teacher's points and the students that leave a step out."""


def simulate(
    table: Table,
    strategy: Strategy,
    *,
    workers: int = 1,
    seed: int = 0,
    trials: int = 200,
    budget_s: float = math.inf,
    enough: Callable[[FoundPoint], bool] | None = None,
) -> Trace:
    """Return what a search with `strategy` on `table` does.

    trials: sampled ones, after which only paused students go on. budget_s: simulated seconds after
    which workers stop at the end of their epoch. enough: told of every point; they stop likewise
    once it says so. Equal arguments give equal traces, but for the
    wall-clock times in them.
    """
    begun = time.perf_counter()
    with _quiet():
        return _Simulation(table, strategy, workers, seed, trials, budget_s, enough).run(begun)


class _Simulation:
    """One simulated study and its workers."""

    def __init__(
        self,
        table: Table,
        strategy: Strategy,
        workers: int,
        seed: int,
        trials: int,
        budget_s: float,
        enough: Callable[[FoundPoint], bool] | None,
    ) -> None:
        self._table = table
        self._strategy = strategy
        self._seed = seed
        self._trials = trials
        self._enough = enough
        self._watch = Stopwatch()
        self._clock = Clock()
        self._stop_signal = SimulatedStopSignal(self._clock, budget_s)
        self._storage = SimulatedStorage(self._clock)
        parts = strategy.parts(table, seed, trials)
        self._study = self._make_study(parts.sampler)
        self._parts_enough = parts.enough
        self._reader = HistoryReader(self._study)
        self._pruner = SimpleNamespace(rule=self._watch.timed("pruner", parts.pruner.rule))
        self._offers = self._watch.timed("offers", offers if strategy.offers else no_offers)
        self._scheduler = SimpleNamespace(
            resumption=self._watch.timed("scheduler", parts.scheduler.resumption)
        )
        stages = Stages()
        self._benches = [
            SimulatedWorkbench(table, self._clock, stages, worker) for worker in range(workers)
        ]
        self._points: list[FoundPoint] = []
        self._endings: list[Ending] = []

    def run(self, begun: float) -> Trace:
        """Run all workers to their end."""

        def task(bench: SimulatedWorkbench) -> Callable[[], None]:
            return lambda: self._worker(bench).run(self._trials)

        self._clock.run([task(bench) for bench in self._benches])
        spent = [piece for bench in self._benches for piece in bench.spent]
        return Trace(
            table=self._table.name,
            strategy=self._strategy.name,
            seed=self._seed,
            workers=len(self._benches),
            spent=tuple(sorted(spent, key=lambda piece: (piece.begin_s, piece.worker))),
            points=tuple(self._points),
            endings=tuple(self._endings),
            waited_s=tuple(bench.waited_s for bench in self._benches),
            end_s=self._clock.now,
            decisions=self._watch.decisions,
            wall_s=time.perf_counter() - begun,
        )

    def _worker(self, workbench: SimulatedWorkbench) -> Worker:
        """Return a real worker.

        All of them rule and read by the same objects, where really each process has its own: one
        parses a history once, and what these answer depends on it alone, but that a student may be
        ruled by what another worker looked at a little after it was chosen.
        """
        bench = Bench(
            config=self._table.config,
            study=self._study,
            reader=self._reader,
            workbench=cast("Workbench", workbench),
            problem=problem_of(self._table),
            pruner=cast("Pruner", self._pruner),
            presenter=NoPresenter(),
            offers=self._offers,
        )
        claims = Claims(
            self._study,
            self._storage,
            self._reader,
            lock=nullcontext,  # Nothing under it lets another worker run.
            heartbeat=SimulatedHeartbeat(),
            scheduler=cast("Scheduler", self._scheduler),
            enough=self._parts_enough,
        )
        return Worker(bench, claims, cast("StopSignal", self._stop_signal), self._emit(workbench))

    def _make_study(self, sampler: BaseSampler) -> optuna.Study:
        config = self._table.config
        study = optuna.create_study(
            storage=self._storage,
            study_name=config.name,
            directions=[DIRECTIONS[name] for name in config.objectives],
            sampler=TimedSampler(sampler, self._watch),
        )
        study.set_metric_names(list(config.objectives))
        furnish(study, self._table, baselines=self._strategy.baselines)
        return study

    def _emit(self, workbench: SimulatedWorkbench) -> Emit:
        """Return what hears a worker's events: news for those that wait, and the trace."""

        def emit(event: Event) -> None:
            match event:
                case TrialBegan():
                    if not self._strategy.shares:
                        workbench.owner = f" of {self._first_of(event.trial)}"
                case PointAdded():
                    point = FoundPoint(
                        time_s=self._clock.now,
                        trial=event.trial,
                        student=workbench.student,
                        scheme=event.scheme,
                        origin=event.origin,
                        accuracy=event.accuracy,
                        size_bytes=event.size_bytes,
                        latency_ms=event.latency_ms,
                    )
                    self._points.append(point)
                    if self._enough is not None and self._enough(point):
                        self._stop_signal.end()
                case TrialEnded():
                    self._endings.append(self._ending(event, workbench.student))
                    self._stop_signal.news()
                case EpochEnded():
                    self._stop_signal.news()

        return emit

    def _ending(self, event: TrialEnded, student: str) -> Ending:
        trial = self._study.get_trials(deepcopy=False)[event.trial]
        if event.state == "failed":
            raise DistilfrontError(f"trial {event.trial} of the simulation failed: {event.words}")
        ruling = trial.user_attrs.get(Attr.RULING, {})
        end: End = "audited" if ruling else "trained"
        if trial.state == TrialState.PRUNED:
            end = "paused" if ruling.get("paused") else "stopped"
        elif trial.state == TrialState.FAIL:
            end = "released"
        curve = trial.user_attrs.get(Attr.CURVE, [])
        progress = float(curve[-1][0]) if curve else 0.0
        resumes = trial.user_attrs.get(Attr.RESUMES)
        return Ending(self._clock.now, event.trial, student, end, progress, resumes)

    def _first_of(self, number: int) -> int:
        """Return the trial that began what the one with this number goes on with."""
        trials = self._study.get_trials(deepcopy=False)
        while True:
            attrs = trials[number].user_attrs
            before = attrs.get(Attr.RESUMES, attrs.get(Attr.RETRY_OF))
            if before is None:
                return number
            number = before


def no_offers(*_: object, **__: object) -> tuple[Offer, ...]:
    """Offer nothing (as search.strategy.offers)."""
    return ()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from announcing a study in memory, and from warning of names for objectives."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
