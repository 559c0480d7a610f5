"""Freeze-thaw search: train what promises most per second now, set the rest aside, come back.

After Swersky, Snoek and Adams 2014 ("Freeze-Thaw Bayesian Optimization"), for several objectives of
which all but one are known. Three parts share one outlook (forecast): the sampler begins the
student that is worth most, the scheduler goes on with a paused one where that is worth more, and
the pruner pauses the one in training when another promises more than it could in its best case.
What cannot matter any more is stopped, at its level, by the rule of pruning; a pause
promises nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from objectives.costs import CostTable
from search.forecasts import (
    Begun,
    Candidates,
    Covariances,
    Features,
    Ground,
    Outlook,
    Prospect,
    assumed_scale,
)
from search.stopping import Curve, GoOn, Pause, Pruner, Ruling
from search.strategy.one_by_one import OneByOneSampler
from search.strategy.scheduler import Enough
from spaces import ChainConfig, StudentConfig, Value, params_of, scheme_named, student_key
from studies.records import History, HistoryReader, Stopped

LEAST_GAIN = 0.0005
"""Share of the hypervolume below which finishing a paused student is not worth it."""


@dataclass(frozen=True)
class Postponed:
    """Why a student was paused."""

    progress: float
    """Share of its epochs that were done."""
    accuracy: float
    """Final accuracy that was expected of it."""
    gain: float
    """Hypervolume it was expected to add, by `seconds` of further training."""
    seconds: float
    better: float
    """How many times as much per second another was expected to add as this one at its best."""

    @property
    def _times(self) -> str:
        return f"{self.better:.1f} times" if self.better < 100 else "over 100 times"

    @property
    def words(self) -> str:
        """The reason as a sentence."""
        return (
            f"set aside after {self.progress:.0%} of its epochs: it is expected to end at "
            f"{self.accuracy:.2%} and to add {self.gain:.5f} hypervolume in {self.seconds:.0f} s, "
            f"and another student promises {self._times} as much per second as this one in its "
            "best case"
        )


class FreezeThaw:
    """The parts' common view of one study."""

    def __init__(self, ground: Ground, trials: int, seed: int) -> None:
        """Search `ground` with at most `trials` sampled trials."""
        self.ground = ground
        self._trials = trials
        self._seed = seed
        self._features = Features(ground.space)
        self._covariances = Covariances(
            self._features, ground.validation_images, assumed_scale(ground), ground.trend
        )
        self._candidates = Candidates(ground.space, ground.settled, seed)
        self._seen: object = None
        self._outlook: Outlook | None = None
        self._prospects: list[Prospect] = []

    def outlook(self, history: History) -> Outlook | None:
        """Return the outlook under `history`, None before the first student ended.

        It is made anew when a trial ended, failed or began, not after every epoch of another's.
        """
        seen = (
            len(history.students),
            len(history.stopped),
            len(history.failed),
            len(history.points),
            tuple(one.student for one in history.running if one.student is not None),
        )
        if seen != self._seen:
            self._seen = seen
            self._outlook = self._made(history) if history.students else None
            self._prospects = []
        return self._outlook

    def _made(self, history: History) -> Outlook:
        covariance = self._covariances.under(history)
        return Outlook(self.ground, self._features, covariance, history)

    @property
    def latest(self) -> Outlook | None:
        """The outlook that was made last, whatever happened since."""
        return self._outlook

    def prospects(self, history: History) -> list[Prospect]:
        """Return what can be trained next, the most worthy first; nothing before an outlook."""
        outlook = self.outlook(history)
        return [] if outlook is None else self.prospects_of(outlook, history)

    def prospects_of(self, outlook: Outlook, history: History) -> list[Prospect]:
        """Return the same by the `latest` outlook, of what `history` leaves to be trained."""
        if not self._prospects:
            free = [
                student
                for student in self._candidates.of(history)
                if not outlook.is_being_distilled(student)
            ]
            self._prospects = sorted(outlook.prospects(free), key=self._rank)
        return self._prospects

    def _rank(self, prospect: Prospect) -> float:
        """Return the worth, negative, with its last tenth left to the study's seed.

        Forecasts are not that exact; two studies that differ in their seeds should differ.
        """
        draw = int(student_key(prospect.student), 16) * (2 * self._seed + 1) % 2**48 / 2**48
        return -prospect.worth * (0.9 + 0.2 * draw)

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
        """Return the settings of the new student that is worth most, None before an outlook."""
        outlook = self.outlook(history)
        waiting = {trial.key for trial in history.paused}
        for prospect in self.prospects(history):
            if outlook is not None and student_key(prospect.student) not in waiting:
                chain = ChainConfig(prospect.student, scheme_named(outlook.best_scheme(prospect)))
                return params_of(chain)
        return None

    def resumption(self, history: History, *, new_allowed: bool) -> Stopped | None:
        """Return the paused trial that is worth more than any new one; see Scheduler."""
        waiting = {trial.key: trial for trial in history.paused}
        if not waiting:
            return None
        outlook = self.outlook(history)
        for prospect in self.prospects(history):
            paused = waiting.get(student_key(prospect.student))
            if paused is None:
                if new_allowed:
                    return None
                continue
            least = LEAST_GAIN * outlook.hypervolume if outlook is not None else 0.0
            return paused if new_allowed or prospect.gain >= least else None
        return None


class FreezeThawPruner:
    """Stops as another pruner does, and pauses what another student is worth more than."""

    def __init__(self, search: FreezeThaw, stopping: Pruner, enough: Enough | None = None) -> None:
        """Pause nothing once the study has `enough`: for whom it made way would never be begun."""
        self._search = search
        self._stopping = stopping
        self._enough = enough
        self._views: dict[str, _View] = {}
        self._viewed: Outlook | None = None

    def rule(
        self,
        history: History,
        chain: ChainConfig,
        curve: Curve,
        costs: CostTable,
        schemes: Sequence[str],
        validation_images: int,
    ) -> Ruling:
        """Rule on the student of `chain`; see Pruner."""
        ruling = self._stopping.rule(history, chain, curve, costs, schemes, validation_images)
        if not isinstance(ruling, GoOn):
            return ruling
        key = student_key(chain.student)
        view = self._view(history, chain.student, key)
        if view is None:
            return ruling
        own = view.outlook.of_curve(view.begun, curve)
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
                accuracy=view.outlook.accuracy(own),
                gain=own.gain,
                seconds=own.seconds,
                better=best.worth / max(in_best_case, 1e-12),
            )
        )

    def _view(self, history: History, student: StudentConfig, key: str) -> "_View | None":
        """Return what `student` was chosen by, None before an outlook.

        Others end and begin while it trains, and to look again takes as long as a choice does. So
        the pruner looks again only at the first epoch of a student for whom nobody chose.
        """
        running = {key, *(one.student for one in history.running)}
        self._views = {known: view for known, view in self._views.items() if known in running}
        if key not in self._views:
            outlook = self._search.latest
            if outlook is None or outlook is self._viewed:
                others = tuple(one for one in history.running if one.student != key)
                outlook = self._search.outlook(replace(history, running=others))
            if outlook is None:
                return None
            self._viewed = outlook
            prospects = self._search.prospects_of(outlook, history)
            self._views[key] = _View(outlook, prospects, outlook.begun(student))
        return self._views[key]

    def _best_other(self, history: History, view: "_View", key: str) -> Prospect | None:
        running = {key, *(one.student for one in history.running)}
        for prospect in view.prospects:
            other = student_key(prospect.student)
            if other not in running and self._is_open(history, other):
                return prospect
        return None

    def _is_open(self, history: History, key: str) -> bool:
        """Say whether a student may be begun, or gone on with; nearly always of the first asked."""
        if key in {trial.key for trial in history.stopped}:
            return any(trial.key == key for trial in history.paused)
        ended = key in {student.key for student in history.students}
        return not ended and self._search.may_begin(history, key)


@dataclass(frozen=True)
class _View:
    """What a student in training is compared by."""

    outlook: Outlook
    prospects: Sequence[Prospect]
    """The most worthy first."""
    begun: Begun


class FreezeThawSampler(OneByOneSampler):
    """Draws the new student that is worth most per second; before an outlook, as another sampler.

    One sampler belongs to one study.
    """

    def __init__(
        self, search: FreezeThaw, before: BaseSampler, reader: HistoryReader | None = None
    ) -> None:
        """Draw as `before` does until there is an outlook; `reader` is of the study, if given."""
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
