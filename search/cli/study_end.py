"""Where a study stands: whether it is at its end and why, and what a further hour would add."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from reports import StudySummary, counted
from search.problem import SearchProblem
from search.strategy import FreezeThaw, HourlyGain, NewFirst, NextHour, Scheduler
from studies import StudyConfig
from studies.records import History

_SMALLEST = 1e-6
"""A least gain that is as good as 0."""


_LEAST_SAID = 1e-4
"""A share below it has no figure: forecasts are not that exact."""


@dataclass(frozen=True)
class StudyEnd:
    """What search.workers.claims would find, as one sees it without claiming anything."""

    ended: int
    trials: int
    least: float
    """The gain per hour that was asked for."""
    ended_by: Literal["trials", "least_gain"] | None
    next_hour: HourlyGain | None
    """What it is expected to add; of more trials, if those ended it. None where nothing is
    forecast, before the first student ended or by what was chosen, where there is no front, and
    where all trials that are left run or wait in line: what they add is no longer chosen."""

    @property
    def words(self) -> str:
        """What ended the study and how to go on, or what is to come of it; may be empty."""
        hour = ""
        if self.next_hour is not None:
            share = self.next_hour.share
            added = (
                _percent(share) if share >= _LEAST_SAID else f"less than {_percent(_LEAST_SAID)}"
            )
            hour = f"the next hour is expected to add {added} % of the hypervolume"
        if self.ended_by == "trials":
            more = self.trials + max(10, self.trials // 2)
            all_of_them = (
                "Its one trial has" if self.trials == 1 else f"All {self.trials} trials have"
            )
            said = f"{all_of_them} ended; for more: --trials {more}"
            return f"{said} ({hour})" if hour else said
        if self.ended_by is None or self.next_hour is None:
            return hour
        half = self.next_hour.share / 2
        return (
            f"Stopped after {self.ended} of {counted(self.trials, 'trial')}: {hour}, less than the "
            f"{_percent(self.least)} % set with --least-gain; for more: --least-gain "
            f"{0 if half < _SMALLEST else half:.1g}"
        )


def study_end_of(config: StudyConfig, summary: StudySummary) -> StudyEnd:
    """Return where the study of `summary` stands under the settings `config`."""
    history = summary.history
    search = FreezeThaw(_problem(config, summary), config.trials, config.seed)
    scheduler: Scheduler = search if config.pruning.name == "freeze_thaw" else NewFirst()
    ahead = NextHour(search, workers=config.workers, least=config.least_gain_per_hour)
    ended_by = _ended_by(config, history, scheduler, ahead)
    expected = None
    is_open = search.may_sample(history) or bool(history.waiting) or ended_by == "trials"
    if config.makes_forecasts and is_open:
        expected = ahead.expected(history, any_trials=ended_by == "trials")
    return StudyEnd(
        ended=history.ended,
        trials=config.trials,
        least=config.least_gain_per_hour,
        ended_by=ended_by,
        next_hour=expected if expected is not None and expected.hypervolume > 0 else None,
    )


def _ended_by(
    config: StudyConfig, history: History, scheduler: Scheduler, ahead: NextHour
) -> Literal["trials", "least_gain"] | None:
    sampled = history.ended >= config.trials
    if sampled and scheduler.resumption(history, new_allowed=False) is None:
        return "trials"
    if not history.running and ahead.is_not_worth_it(history):
        return "least_gain"
    return None


def _problem(config: StudyConfig, summary: StudySummary) -> SearchProblem:
    # Before the first point nothing is forecast, and it does not matter how many images there are.
    return SearchProblem(
        config.search_space(),
        summary.costs,
        summary.reference,
        summary.images or 0,
        summary.teacher.accuracy,
        config.objectives,
        summary.bounds,
    )


def _percent(share: float) -> str:
    """Return a share in percent to two digits, never as a power of ten."""
    return np.format_float_positional(100 * share, precision=2, fractional=False, trim="-")
