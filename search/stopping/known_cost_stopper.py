"""Stop trials in any multi-objective Optuna study of which all objectives but one are known early.

Of a model in training, size, FLOPs, latency or price are known before its first epoch; one
objective is learned. So whether a trial can still enter the front is one question: can the learned
value reach that of the *incumbent*, the best complete trial that is no worse in every known
objective? A trial is stopped when a conformal upper bound on where its value ends says no.

    stopper = KnownCostStopper(study, learned="accuracy")
    ...
    watch = stopper.watch(trial, known=(size, latency))
    ...
    if watch.should_stop(accuracy, progress=(epoch + 1) / epochs):
        raise optuna.TrialPruned

It needs Optuna, numpy and pydantic, works on every storage and with any number of workers, each
with its own stopper, and keeps what it must know in user attributes of the trials. docs/pruner.md
says what it promises.
"""

import math
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import optuna
from optuna.storages import RDBStorage

from search.stopping.curve_scores import CurveScore, RawGain
from search.stopping.rule import Ending, StoppingRule
from search.stopping.watched_trials import (
    Objectives,
    WatchedAttr,
    WatchedTally,
    WatchedTrials,
    objectives_of,
)
from spaces import InputError

ROUNDING = 1e-9
"""200 epochs are 200 steps of 0.005."""

LEAST_STEP = 0.005
"""Reports that follow the last by less progress are passed over: a curve stays a short attribute,
also of a trial that reports every batch."""


@dataclass(frozen=True)
class Reason:
    """Why a trial can no longer enter the front; values are in the units of the study."""

    learned: str
    """Name of the learned objective."""
    progress: float
    """Share of its training that was done."""
    value: float
    """What it had reached by then."""
    bound: float
    """The best value it ends with, at `level`."""
    level: float
    """Probability with which the bound holds: 1 - delta."""
    trials: int
    """Distinct trials whose whole curves the bound rests on."""
    incumbent: float
    """The best value of a complete trial that is no worse in every known objective."""
    incumbent_number: int
    """That trial."""
    margin: float
    """By how much more than nothing the bound must fall short of the incumbent."""
    audited: bool
    """It runs on to its end, to check the rule."""

    @property
    def words(self) -> str:
        """The reason as a sentence."""
        rule = "to be stopped, and runs on as an audit" if self.audited else "stopped"
        margin = f" (margin {self.margin:g})" if self.margin else ""
        return (
            f"{rule}: after {self.progress:.0%} of its training {self.learned} is "
            f"{self.value:.6g} and ends, at level {self.level:g} over {self.trials} trials, with "
            f"{self.bound:.6g} at best; trial {self.incumbent_number}, no worse in all else, has "
            f"{self.incumbent:.6g}{margin}"
        )


class KnownCostStopper:
    """Says of trials in training whether they can still enter the front of `study`.

    `learned` is the index or the metric name of the objective that training decides; the values of
    all others must be known when a trial is first watched, and be what the trial returns. `delta`
    is the probability with which a bound may be wrong. With fewer than 1 / delta - 1 complete
    watched trials nobody is stopped. `audit_share` of those to be stopped run on, chosen by
    `seed` and trial number. `margin`, in units of the learned objective, is by how much the bound
    must fall short; with 0 a trial is stopped only if it would be dominated. `score` says how much
    is left to be gained: RawGain for any metric, LogErrors for accuracies. `storage`, where the
    study lies in an RDBStorage, lets finished trials be read past Optuna's mapper: the same
    rulings, in a fraction of the time in a study of thousands of trials.
    """

    def __init__(
        self,
        study: optuna.Study,
        learned: int | str,
        *,
        delta: float = 0.1,
        audit_share: float = 0.2,
        margin: float = 0.0,
        score: CurveScore | None = None,
        seed: int = 0,
        storage: RDBStorage | None = None,
    ) -> None:
        self._rule = StoppingRule(delta, audit_share, seed)
        if not 0 <= margin < math.inf:
            raise InputError(f"margin must be 0 or more and finite, got {margin}")
        self._margin = margin
        self._score: CurveScore = RawGain() if score is None else score
        self._objectives = objectives_of(study, learned)
        self._trials = WatchedTrials(study, self._objectives, self._score, storage)
        # Threads of one `study.optimize(n_jobs=...)` share a stopper.
        self._lock = threading.Lock()

    def watch(self, trial: optuna.Trial, known: Sequence[float]) -> "Watch":
        """Begin to watch `trial`, whose `known` objectives have these values, in study order."""
        names = self._objectives.known_names
        try:
            values = [float(value) for value in known]
        except (TypeError, ValueError):
            raise InputError(
                f"known takes the values of {', '.join(names)} as numbers, got {known!r}"
            ) from None
        if len(values) != len(names) or any(map(math.isnan, values)):
            raise InputError(
                f"known takes {len(names)} values that are numbers ({', '.join(names)}), "
                f"got {values}"
            )
        trial.set_user_attr(WatchedAttr.KNOWN, values)
        return Watch(self, trial, tuple(values))

    def tally(self) -> WatchedTally:
        """Count the study's trials by what became of them."""
        with self._lock:
            self._trials.update()
            return self._trials.tally

    @property
    def objectives(self) -> Objectives:
        """The objectives of the study, and which of them is learned."""
        return self._objectives

    @property
    def score(self) -> CurveScore:
        """How whole curves are scored."""
        return self._score

    def quantile(self) -> float:
        """Return the score that a new trial's exceeds with probability at most delta."""
        with self._lock:
            self._trials.update()
            return self._trials.book.quantile(self._rule.delta)

    def reason(
        self, number: int, known: Sequence[float], progress: float, value: float, bound: float
    ) -> Reason | None:
        """Return why the trial of this number, bound by `bound`, is to be stopped, if it is."""
        objectives, trials, rule = self._objectives, self._trials, self._rule
        with self._lock:
            trials.update()
            tally = trials.tally
            short = rule.shortfall(
                objectives.merit(bound),
                [Ending("", objectives.costs(known))],
                trials.incumbents.at,
                lambda _reach, _incumbent: self._margin,
            )
            audited = short is not None and rule.audits(trials.book, number)
        if short is None or short.incumbent.number is None:
            return None
        return Reason(
            learned=objectives.names[objectives.learned],
            progress=progress,
            value=value,
            bound=bound,
            level=1 - rule.delta,
            trials=tally.natural + tally.audited,
            incumbent=objectives.merit(short.incumbent.merit),
            incumbent_number=short.incumbent.number,
            margin=self._margin,
            audited=audited,
        )


class Watch:
    """One trial in training; `KnownCostStopper.watch` makes it."""

    def __init__(
        self, stopper: KnownCostStopper, trial: optuna.Trial, known: tuple[float, ...]
    ) -> None:
        self._stopper = stopper
        self._trial = trial
        self._known = known
        self._curve: list[tuple[float, float]] = []
        self._last = 0.0
        self._q = math.inf
        self._bound: float | None = None
        self._reason: Reason | None = None

    @property
    def bound(self) -> float | None:
        """The best value it can end with, as of the last report; None while there is no bound."""
        return self._bound

    @property
    def reason(self) -> Reason | None:
        """Why it was stopped or audited; None where it was neither."""
        return self._reason

    def should_stop(self, value: float, progress: float) -> bool:
        """Report the learned `value` at `progress` in (0, 1]; say whether the trial is to stop.

        The report is kept on the trial. Reports come in ascending progress; 1 is the end, where
        nothing is left to save and nobody is stopped. A trial that is audited runs to its end.
        """
        value = self._checked(value, progress)
        previous, self._last = self._last, progress
        kept = self._curve[-1][0] if self._curve else 0.0
        stopped = self._reason is not None and not self._reason.audited
        if stopped or (previous and progress - kept < LEAST_STEP - ROUNDING):
            return stopped
        self._curve.append((progress, value))
        self._trial.set_user_attr(WatchedAttr.CURVE, list(self._curve))
        if progress < 1:
            self._judge(value, progress)
        return self._reason is not None and not self._reason.audited

    def _checked(self, value: float, progress: float) -> float:
        name = self._stopper.objectives.names[self._stopper.objectives.learned]
        if not self._last < progress <= 1:
            raise InputError(
                f"progress must be in (0, 1] and ascend: after {self._last:g} came {progress:g}"
            )
        value = float(value)
        if math.isnan(value):
            raise InputError(
                f"{name} is NaN at progress {progress:g}: a diverged trial is one to fail, or "
                "reports an infinite value"
            )
        self._stopper.score.check(self._stopper.objectives.merit(value))
        return value

    def _judge(self, value: float, progress: float) -> None:
        stopper = self._stopper
        if math.isinf(self._q):
            # Settled once: a level is of one quantile, not of all that a trial lives to see.
            self._q = stopper.quantile()
        if math.isinf(self._q):
            return
        merit = stopper.objectives.merit
        steps = [(e, merit(reported)) for e, reported in self._curve]
        self._bound = merit(stopper.score.bound(steps, self._q))
        if self._reason is not None:
            return
        number = self._trial.number
        self._reason = stopper.reason(number, self._known, progress, value, self._bound)
        if self._reason is not None:
            record = asdict(self._reason) | {"words": self._reason.words}
            self._trial.set_user_attr(WatchedAttr.RULING, record)
