"""The loop every worker runs: claim a trial, train its student, add its points."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
import optuna

from objectives import DivergedError, Evaluation, StoppedStudent, TrainedStudent
from objectives.costs import CostTable
from objectives.fronts import losses_of, nondominated
from search.stopping import Pause, Pruner, Ruling, as_record
from search.strategy import Offer, offers
from search.workers.claims import Ledger
from search.workers.epoch_monitor import Emit, ReleasedError, Watch
from search.workers.events import PointAdded, TrialBegan, TrialEnded
from search.workers.presenter import Presenter
from search.workers.stop_signal import Lifeline
from spaces import SCHEMES, ChainConfig, LoRA, Scheme, Settled, Space, scheme_name, suggest
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
    costs: CostTable
    pruner: Pruner
    accuracy_floor: float
    """Accuracy below which a point is worth nothing."""
    presenter: Presenter
    """Shows trials to whoever looks at the study."""
    offers: Offering = offers
    """Which further schemes of a trained student are worth evaluating."""

    @cached_property
    def space(self) -> Space:
        """The study's search space."""
        return self.config.search_space()

    @cached_property
    def settled(self) -> Settled:
        """What the study does not search."""
        return self.config.settled()

    @cached_property
    def schemes(self) -> tuple[str, ...]:
        """Names of the schemes that a student could be offered to."""
        return tuple(str(name) for name in self.space.scheme.values)

    def rule(self, chain: ChainConfig, curve: Sequence[tuple[float, float]]) -> Ruling:
        """Rule on the student of `chain` by its curve so far."""
        return self.pruner.rule(
            self.reader.read(),
            chain,
            curve,
            self.costs,
            self.schemes,
            self.workbench.data.images_in("validation"),
        )


class Worker:
    """Runs trials of one study until as many as asked for have ended."""

    def __init__(self, bench: Bench, ledger: Ledger, lifeline: Lifeline, emit: Emit) -> None:
        self._bench = bench
        self._ledger = ledger
        self._lifeline = lifeline
        self._emit = emit

    def run(self, total: int) -> None:
        """Claim and run trials until there are no more, or a stop is asked for.

        That is when `total` sampled ones have ended and the scheduler resumes no paused student.
        """
        self._protect()
        while not self._lifeline.stopping:
            trial = self._ledger.claim(total)
            if trial is None:
                if self._ledger.over:
                    return
                # Others run the last ones; should one die or be paused, a trial comes free.
                self._lifeline.wait(WAIT_S)
                continue
            self._run_trial(trial)
            self._protect()

    def _run_trial(self, trial: optuna.Trial) -> None:
        bench = self._bench
        try:
            try:
                with self._ledger.lock():  # Or two that are free at once draw the same student.
                    chain = suggest(trial, bench.space, bench.settled)
                    describe(trial, chain)
                before = self._ledger.goes_on_with(trial)
                self._emit(TrialBegan(trial.number, in_words(chain), before))
                state, words = self._train(trial, chain)
            except ReleasedError:
                self._ledger.release(trial)
                state, words = "interrupted", "goes on from here when the study is run again"
            except DivergedError as error:
                fail(bench.study, trial, "diverged", str(error))
                state, words = "failed", str(error)
            except LostTrialError:
                raise
            except Exception as error:  # A fault belongs to its trial; the study goes on.
                log.exception("trial %d failed", trial.number)
                reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
                fail(bench.study, trial, "error", reason)
                state, words = "failed", reason
        except LostTrialError as error:
            state, words = "interrupted", str(error)
        if state != "interrupted":
            bench.presenter.show_end(trial.number, bench.reader.read())
        self._emit(TrialEnded(trial.number, state, words, counts=not resumes(trial)))

    def _train(self, trial: optuna.Trial, chain: ChainConfig) -> tuple[str, str]:
        bench = self._bench
        # A student that every report compares with runs to its end.
        rule = None if is_baseline(trial) else partial(bench.rule, chain)
        watch = Watch(trial, rule, self._lifeline, self._emit)
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
        self._emit(_point(trial.number, chain.scheme, "sampled", own, latency_ms))
        return "complete", f"accuracy {student.accuracy:.4f}, {1 + offered} points"

    def _offer(self, trial: optuna.Trial, chain: ChainConfig, student: TrainedStudent) -> int:
        """Add every further scheme of the student that could enter the front; return how many."""
        bench = self._bench
        added = 0
        while not self._lifeline.stopping:
            worth = bench.offers(
                bench.reader.read(),
                chain,
                student.accuracy,
                bench.costs,
                bench.schemes,
                objectives=bench.config.objectives,
                accuracy_floor=bench.accuracy_floor,
            )
            if not worth:
                return added
            scheme = SCHEMES[worth[0].scheme]
            offered = ChainConfig(chain.student, scheme)
            evaluation = self._evaluate(student, offered)
            latency_ms = self._latency_ms(chain, scheme)
            add_offer(bench.study, trial, offered, evaluation, latency_ms)
            self._emit(_point(trial.number, scheme, "offered", evaluation, latency_ms))
            added += 1
        raise ReleasedError

    def _evaluate(self, student: TrainedStudent, chain: ChainConfig) -> Evaluation:
        evaluation = self._bench.workbench.evaluate(
            student, chain.student.architecture, chain.scheme, "validation"
        )
        expected = self._bench.costs.of(
            chain.student.architecture.key, scheme_name(chain.scheme)
        ).size_bytes
        if evaluation.size_bytes != expected:
            raise RuntimeError(
                f"the artifact has {evaluation.size_bytes} bytes and the cost table "
                f"{expected}: the table does not hold for it"
            )
        return evaluation

    def _protect(self) -> None:
        """Have the stage cache keep what may be asked for again, whatever its age.

        That is what the front's students, the paused ones and the teacher are made of.
        """
        bench, history = self._bench, self._bench.reader.read()
        front = nondominated(losses_of(history.points, bench.config.objectives))
        chosen = {history.points[index].student for index in np.flatnonzero(front)}
        kept = [student.stages for student in history.students if student.key in chosen]
        kept += [paused.stages for paused in history.paused]
        bench.workbench.cache.keep = frozenset(
            [
                bench.workbench.keys.teacher(),
                *(str(stage["key"]) for stages in kept for stage in stages),
            ]
        )

    def _latency_ms(self, chain: ChainConfig, scheme: Scheme) -> float:
        architecture = chain.student.architecture.key
        return self._bench.costs.of(architecture, scheme_name(scheme)).latency_ms


def in_words(chain: ChainConfig) -> str:
    """Return a chain's settings in a few words."""
    student = chain.student
    parts = [f"width {student.architecture.width:g}"]
    if student.method.alpha > 0:
        temperature = getattr(student.method, "temperature", 0.0)
        parts.append(f"alpha {student.method.alpha:g} at T {temperature:g}")
    else:
        parts.append("without the teacher")
    parts.append(f"lr {student.schedule.learning_rate:g}")
    if isinstance(student.adaptation, LoRA):
        parts.append(f"LoRA rank {student.adaptation.rank} on {student.adaptation.targets}")
    return ", ".join([*parts, scheme_name(chain.scheme)])


def _point(
    trial: int, scheme: Scheme, origin: str, evaluation: Evaluation, latency_ms: float
) -> PointAdded:
    return PointAdded(
        trial=trial,
        scheme=scheme_name(scheme),
        origin=origin,
        accuracy=evaluation.accuracy,
        size_bytes=evaluation.size_bytes,
        latency_ms=latency_ms,
    )
