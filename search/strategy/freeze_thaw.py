"""Freeze-thaw search: train what promises most per second now, pause the rest, come back.

After Swersky, Snoek and Adams 2014 ("Freeze-Thaw Bayesian Optimization"), for several objectives of
which all but one are known. Three parts share one forecast: the sampler begins the
student that is worth most, the scheduler goes on with a paused one where that is worth more, and
the pruner pauses the one in training when another promises more than it could in its best case.
What cannot matter any more is stopped, at its level, by the rule of search.stopping; a
pause promises nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from search.forecasts import (
    BegunStudent,
    Candidates,
    Covariances,
    Features,
    Forecast,
    PriorMean,
    Progress,
    RandomEffects,
    StudentForecast,
    assumed_scale,
    to_learn,
)
from search.problem import SearchProblem
from search.stopping import GoOn, Pause, Pruner, Ruling, StudentInTraining
from search.strategy.one_by_one import OneByOneSampler
from search.strategy.postponed import Postponed
from search.strategy.scheduler import Enough
from spaces import ChainConfig, StudentConfig, Value, scheme_named, student_key
from studies.records import History, HistoryReader, Paused

LEAST_GAIN = 0.0005
"""Share of the hypervolume below which finishing a paused student is not worth it."""


class FreezeThaw:
    """The parts' common view of one study."""

    def __init__(self, problem: SearchProblem, trials: int, seed: int) -> None:
        """Search `problem` with at most `trials` sampled trials."""
        self.problem = problem
        self._trials = trials
        self._seed = seed
        self._features = Features(problem.space)
        self._effects = RandomEffects(problem.space)
        self._covariances = Covariances(
            self._features,
            self._effects,
            problem.validation_images,
            assumed_scale(problem),
            self._prior_mean,
        )
        self._candidates = Candidates(problem.space, seed)
        self._seen: object = None
        self._forecast: Forecast | None = None
        self._ranked: list[StudentForecast] = []

    def forecast(self, history: History) -> Forecast | None:
        """Return the forecast under `history`, None before the first student ended.

        It is made anew when a trial ended, failed or began, not after every epoch of another's.
        """
        seen = (
            len(history.students),
            len(history.pruned),
            len(history.failed),
            len(history.points),
            tuple(one.student for one in history.running if one.student is not None),
        )
        if seen != self._seen:
            self._seen = seen
            self._forecast = self._made(history) if history.students else None
            self._ranked = []
        return self._forecast

    def _made(self, history: History) -> Forecast:
        covariance = self._covariances.under(history)
        return Forecast(self.problem, self._features, self._effects, covariance, history)

    def _prior_mean(self, progress: Progress) -> PriorMean:
        problem = self.problem
        images = problem.validation_images
        return PriorMean(problem.flops, to_learn(problem), images, progress)

    @property
    def latest(self) -> Forecast | None:
        """The forecast that was made last, whatever happened since."""
        return self._forecast

    def ranked(self, history: History) -> list[StudentForecast]:
        """Return what can be trained next, the most worthy first; nothing before a forecast."""
        forecast = self.forecast(history)
        return [] if forecast is None else self.ranked_by(forecast, history)

    def ranked_by(self, forecast: Forecast, history: History) -> list[StudentForecast]:
        """Return the same by the `latest` forecast, of what `history` leaves to be trained."""
        if not self._ranked:
            free = [
                student
                for student in self._candidates.of(history)
                if not forecast.must_wait(student)
            ]
            self._ranked = sorted(forecast.of(free), key=self._rank)
        return self._ranked

    def _rank(self, one: StudentForecast) -> float:
        """Return the worth, negative, with its last tenth left to the study's seed.

        Forecasts are not that exact; two studies that differ in their seeds should differ.
        """
        draw = int(student_key(one.student), 16) * (2 * self._seed + 1) % 2**48 / 2**48
        return -one.worth * (0.9 + 0.2 * draw)

    def may_begin(self, history: History, key: str) -> bool:
        """Say whether a student that was not begun may be."""
        return self.may_sample(history) and key not in self._candidates.failed(history)

    def may_sample(self, history: History) -> bool:
        """Say whether a further trial may be sampled."""
        return self.trials_left(history) > 0

    def trials_left(self, history: History) -> int:
        """Return how many further trials may be sampled."""
        running = sum(one.resumes is None for one in history.running)
        return max(0, self._trials - history.ended - running)

    def draw(self, history: History) -> dict[str, Value] | None:
        """Return the settings of the new student that is worth most, None before a forecast."""
        forecast = self.forecast(history)
        waiting = {trial.key for trial in history.waiting}
        for one in self.ranked(history):
            if forecast is not None and student_key(one.student) not in waiting:
                chain = ChainConfig(one.student, scheme_named(forecast.best_scheme(one)))
                return self.problem.space.params_of(chain)
        return None

    def resumption(self, history: History, *, new_allowed: bool) -> Paused | None:
        """Return the paused trial that is worth more than any new one; see Scheduler."""
        waiting = {trial.key: trial for trial in history.waiting}
        if not waiting:
            return None
        forecast = self.forecast(history)
        for one in self.ranked(history):
            paused = waiting.get(student_key(one.student))
            if paused is None:
                if new_allowed:
                    return None
                continue
            least = LEAST_GAIN * forecast.hypervolume if forecast is not None else 0.0
            return paused if new_allowed or one.gain >= least else None
        return None


class FreezeThawPruner:
    """Stops as another pruner does, and pauses what another student is worth more than."""

    def __init__(self, search: FreezeThaw, stopping: Pruner, enough: Enough | None = None) -> None:
        """Pause nothing once the study has `enough`: for whom it made way would never be begun."""
        self._search = search
        self._stopping = stopping
        self._enough = enough
        self._views: dict[str, _View] = {}
        self._viewed: Forecast | None = None

    def rule(self, student: StudentInTraining) -> Ruling:
        """Rule on a student in training; see Pruner."""
        history, chain, curve = student.history, student.chain, student.curve
        ruling = self._stopping.rule(student)
        if not isinstance(ruling, GoOn):
            return ruling
        key = student_key(chain.student)
        view = self._view(history, chain.student, key)
        if view is None:
            return ruling
        own = view.forecast.of_curve(view.begun, curve)
        best = self._best_other(history, view, key)
        # Its forecast narrows while it trains, and a wide one is worth more than a narrow one of
        # the same mean: compared by expectations, whatever is new would look better every time.
        in_best_case = own.best_case / own.seconds
        if best is None or best.worth <= in_best_case:
            return ruling
        if self._enough is not None and self._enough(history):
            return ruling
        return Pause(
            Postponed(
                progress=curve[-1][0],
                accuracy=view.forecast.accuracy(own),
                gain=own.gain,
                seconds=own.seconds,
                better=best.worth / max(in_best_case, 1e-12),
            )
        )

    def _view(self, history: History, student: StudentConfig, key: str) -> "_View | None":
        """Return what `student` was chosen by, None before a forecast.

        Others end and begin while it trains, and to look again takes as long as a choice does. So
        the pruner looks again only at the first epoch of a student for whom nobody chose.
        """
        running = {key, *(one.student for one in history.running)}
        self._views = {known: view for known, view in self._views.items() if known in running}
        if key not in self._views:
            forecast = self._search.latest
            if forecast is None or forecast is self._viewed:
                others = tuple(one for one in history.running if one.student != key)
                forecast = self._search.forecast(replace(history, running=others))
            if forecast is None:
                return None
            self._viewed = forecast
            ranked = self._search.ranked_by(forecast, history)
            self._views[key] = _View(forecast, ranked, forecast.begun(student))
        return self._views[key]

    def _best_other(self, history: History, view: "_View", key: str) -> StudentForecast | None:
        running = {key, *(one.student for one in history.running)}
        for one in view.ranked:
            other = student_key(one.student)
            if other not in running and self._is_open(history, other):
                return one
        return None

    def _is_open(self, history: History, key: str) -> bool:
        """Say whether a student may be begun, or gone on with; nearly always of the first asked."""
        if key in {trial.key for trial in history.pruned}:
            return any(trial.key == key for trial in history.waiting)
        ended = key in {student.key for student in history.students}
        return not ended and self._search.may_begin(history, key)


@dataclass(frozen=True)
class _View:
    """What a student in training is compared by."""

    forecast: Forecast
    ranked: Sequence[StudentForecast]
    """The most worthy first."""
    begun: BegunStudent


class FreezeThawSampler(OneByOneSampler):
    """Draws the new student that is worth most per second; before a forecast, as another sampler.

    One sampler belongs to one study.
    """

    def __init__(
        self, search: FreezeThaw, before: BaseSampler, reader: HistoryReader | None = None
    ) -> None:
        """Draw as `before` does until there is a forecast; `reader` is of the study, if given."""
        self._search = search
        self._before = before
        self._reader = reader
        self._drawn: tuple[int, dict[str, Value] | None] | None = None

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the setting that the student drawn for `trial` has."""
        if self._drawn is None or self._drawn[0] != trial.number:
            self._reader = self._reader or HistoryReader(study)
            self._drawn = (trial.number, self._search.draw(self._reader.read()))
        params = self._drawn[1]
        if params is None:
            return self._before.sample_independent(study, trial, param_name, param_distribution)
        return params[param_name]
