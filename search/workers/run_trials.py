"""The loop every worker runs: claim a trial, train its student, add its points."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import optuna

from objectives import DivergedError, Evaluation, StoppedStudent, TrainedStudent, measured
from objectives.costs import CostTable
from objectives.fronts import losses_of, nondominated
from reports import counted
from search.problem import SearchProblem
from search.stopping import Pause, Pruner, Ruling, StudentInTraining, as_record
from search.strategy import Offer, offers
from search.workers.claims import Claims
from search.workers.epoch_monitor import Emit, EpochMonitor, ReleasedError
from search.workers.events import PointAdded, TrialBegan, TrialEnded
from search.workers.faults import is_of_the_machine
from search.workers.presenter import Presenter
from search.workers.stop_signal import StopSignal
from spaces import SCHEME_KEY, ChainConfig, Scheme, Value, in_one_line, scheme_named
from studies import StudyConfig
from studies.records import (
    HistoryReader,
    LostTrialError,
    add_offer,
    complete,
    describe,
    fail,
    is_baseline,
    prune,
    resumes,
)

if TYPE_CHECKING:  # The one module here that needs torch.
    from objectives import Workbench

log = logging.getLogger(__name__)

WAIT_S = 1.0
"""How often a worker without a trial looks whether another's has come free."""

Offering = Callable[..., Sequence[Offer]]
"""What search.strategy.scheme_offers.offers does, or nothing."""


@dataclass(frozen=True)
class Bench:
    """What a trial needs of the study: settled before the first one, the same for all."""

    config: StudyConfig
    study: optuna.Study
    reader: HistoryReader
    """Of `study`; the one of this worker."""
    workbench: "Workbench"
    problem: SearchProblem
    pruner: Pruner
    presenter: Presenter
    """Shows trials to whoever looks at the study."""
    offers: Offering = offers
    """Which further schemes of a trained student are worth evaluating."""

    @property
    def costs(self) -> CostTable:
        """The study's cost table."""
        return self.problem.costs

    def in_words(self, chain: ChainConfig) -> str:
        """Return the searched settings of a chain in a few words."""
        space = self.problem.space
        return in_words(chain, space.searched, space.params_of(chain))

    def rule(self, chain: ChainConfig, curve: Sequence[tuple[float, float]]) -> Ruling:
        """Rule on the student of `chain` by its curve so far."""
        student = StudentInTraining(self.reader.read(), chain, tuple(curve))
        return self.pruner.rule(student)


class Worker:
    """Runs trials of one study until as many as asked for have ended."""

    def __init__(self, bench: Bench, claims: Claims, stop_signal: StopSignal, emit: Emit) -> None:
        self._bench = bench
        self._claims = claims
        self._stop_signal = stop_signal
        self._emit = emit
        self._drawn: ChainConfig | Exception

    def run(self, total: int) -> None:
        """Claim and run trials until there are no more, or a stop is asked for.

        That is when `total` sampled ones have ended and the scheduler resumes no paused student.
        """
        self._protect()
        while not self._stop_signal.stopping:
            trial = self._claims.claim(total, self._draw)
            if trial is None:
                if self._claims.over:
                    return
                # Others run the last ones; should one die or be paused, a trial comes free.
                self._stop_signal.wait(WAIT_S)
                continue
            self._run_trial(trial)
            self._protect()

    def _draw(self, trial: optuna.Trial) -> None:
        """Give a trial that is being claimed its settings; a fault is met when it is run."""
        try:
            self._drawn = self._bench.problem.space.suggest(trial)
            describe(trial, self._drawn)
        except Exception as error:  # noqa: BLE001 - it is raised again
            self._drawn = error

    def _settings(self) -> ChainConfig:
        if isinstance(self._drawn, Exception):
            raise self._drawn
        return self._drawn

    def _run_trial(self, trial: optuna.Trial) -> None:
        bench = self._bench
        try:
            try:
                chain = self._settings()
                before = self._claims.goes_on_with(trial)
                self._emit(TrialBegan(trial.number, bench.in_words(chain), before))
                state, words = self._train(trial, chain)
            except ReleasedError:
                self._claims.release(trial)
                state, words = "interrupted", "goes on from here when the study is run again"
            except DivergedError as error:
                fail(bench.study, trial, "diverged", str(error))
                state, words = "failed", str(error)
            except LostTrialError:
                raise
            except Exception as error:  # A fault belongs to its trial; the study goes on.
                if is_of_the_machine(error):
                    self._give_back(trial)
                    raise
                log.exception("trial %d failed", trial.number)
                reason = in_one_line(error)
                fail(bench.study, trial, "error", reason)
                state, words = "failed", reason
        except LostTrialError as error:
            state, words = "interrupted", str(error)
        if state != "interrupted":
            bench.presenter.show_end(trial.number, bench.reader.read())
        self._emit(TrialEnded(trial.number, state, words, counts=not resumes(trial)))

    def _give_back(self, trial: optuna.Trial) -> None:
        """Let others go on with the trial, at the latest when this process is seen to be gone."""
        try:
            self._claims.release(trial)
        except Exception:
            log.exception("trial %d could not be given back", trial.number)

    def _train(self, trial: optuna.Trial, chain: ChainConfig) -> tuple[str, str]:
        bench = self._bench
        # A student that every report compares with runs to its end.
        rule = None if is_baseline(trial) else partial(bench.rule, chain)
        watch = EpochMonitor(trial, rule, self._stop_signal, self._emit)
        student = bench.workbench.train_student(chain.student, watch)
        if isinstance(student, StoppedStudent):
            if watch.stop is None:
                raise RuntimeError("a student stopped that nobody had told to")
            bench.presenter.show_training(trial, watch.curve, None)
            prune(bench.study, trial, student.stages, as_record(watch.stop))
            state = "paused" if isinstance(watch.stop, Pause) else "stopped"
            return state, watch.stop.reason.words
        own = self._evaluate(student, chain)
        offered = self._offer(trial, chain, student)
        # Its own point last: a worker that dies before this leaves a trial that is gone on with,
        # and none that ended without its offers.
        bench.presenter.show_training(trial, watch.curve, own)
        latency_ms = self._latency_ms(chain, chain.scheme)
        audited = None if watch.audit is None else as_record(watch.audit)
        complete(bench.study, trial, own, latency_ms, student.stages, audited)
        self._emit(self._point(trial.number, chain.scheme, "sampled", own, latency_ms))
        return "complete", f"accuracy {student.accuracy:.4f}, {counted(1 + offered, 'point')}"

    def _offer(self, trial: optuna.Trial, chain: ChainConfig, student: TrainedStudent) -> int:
        """Add every further scheme of the student that could enter the front; return how many."""
        bench = self._bench
        added = 0
        while not self._stop_signal.stopping:
            history = bench.reader.read()
            worth = bench.offers(history, chain, student.accuracy, bench.problem)
            if not worth:
                return added
            scheme = scheme_named(worth[0].scheme)
            offered = ChainConfig(chain.student, scheme)
            evaluation = self._evaluate(student, offered)
            latency_ms = self._latency_ms(chain, scheme)
            add_offer(bench.study, trial, offered, evaluation, latency_ms)
            self._emit(self._point(trial.number, scheme, "offered", evaluation, latency_ms))
            added += 1
        raise ReleasedError

    def _evaluate(self, student: TrainedStudent, chain: ChainConfig) -> Evaluation:
        evaluation = self._bench.workbench.evaluate(
            student, chain.student.deployed, chain.scheme, "validation"
        )
        cost = self._bench.costs.of(chain.student.deployed.key, chain.scheme.name)
        expected = cost.size_bytes
        if evaluation.size_bytes != expected:
            raise RuntimeError(
                f"the artifact has {evaluation.size_bytes} bytes and the cost table "
                f"{expected}: the table does not hold for it"
            )
        return evaluation

    def _protect(self) -> None:
        """Have the stage cache keep what may be asked for again, whatever its age.

        That is what the front's students, the paused ones and the teachers are made of.
        """
        bench, history = self._bench, self._bench.reader.read()
        front = nondominated(losses_of(history.points, bench.config.objectives))
        chosen = {history.points[index].student for index in np.flatnonzero(front)}
        last = {student.key: student.stages[-1].key for student in history.students}
        keys = bench.workbench.keys
        codes = [
            keys.codes(last[point.student], scheme)
            for point in (history.points[index] for index in np.flatnonzero(front))
            if (scheme := scheme_named(point.scheme)).calibration.looks_at_layers
            and point.student in last
        ]
        kept = [student.stages for student in history.students if student.key in chosen]
        kept += [paused.stages for paused in history.waiting]
        bench.workbench.cache.keep = frozenset(
            [
                *keys.all_teachers(),
                *codes,
                *(stage.key for stages in kept for stage in stages),
            ]
        )

    def _point(
        self, trial: int, scheme: Scheme, origin: str, evaluation: Evaluation, latency_ms: float
    ) -> PointAdded:
        return PointAdded(
            trial=trial,
            scheme=scheme.name,
            origin=origin,
            accuracy=measured(evaluation, self._bench.config.objectives[0]),
            size_bytes=evaluation.size_bytes,
            latency_ms=latency_ms,
        )

    def _latency_ms(self, chain: ChainConfig, scheme: Scheme) -> float:
        return self._bench.costs.of(chain.student.deployed.key, scheme.name).latency_ms


def in_words(chain: ChainConfig, searched: Collection[str], params: Mapping[str, Value]) -> str:
    """Return a chain's searched settings in a few words: `width 0.5, alpha 0.9, rank 8, w4a8`."""
    told = [
        f"{name.rpartition('.')[2].replace('_', ' ')} {value:g}"
        if isinstance(value, int | float)
        else str(value)
        for name, value in params.items()
        if name in searched and name != SCHEME_KEY
    ]
    return ", ".join([*told, chain.scheme.name])
