"""What the next hour of a study is expected to add to its front, and whether that is worth it."""

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass

from search.forecasts import Forecast, StudentForecast
from search.strategy.freeze_thaw import FreezeThaw
from spaces import student_key
from studies.records import History

HOUR_S = 3600.0


@dataclass(frozen=True)
class HourlyGain:
    """What one more hour is expected to add."""

    gain: float
    hypervolume: float
    """Of the front that is there and believed to come."""

    @property
    def share(self) -> float:
        """The gain as a share of the hypervolume; infinite where there is none yet."""
        return self.gain / self.hypervolume if self.hypervolume > 0 else math.inf


class NextHour:
    """Expects what an hour of all workers adds: that of the students that would fill it.

    The most worthy come first, the last one in part; what runs is believed to come and not gained
    again. What they add together is bounded from above (Forecast.gain_of_all), so as far as the
    forecasts are right a study stops late rather than early. Only that pausing lets an hour look at
    more students than it could train to their ends is left out.
    """

    def __init__(self, search: FreezeThaw, *, workers: int, least: float = 0.0) -> None:
        """Look ahead in `search`.

        workers: of this machine; an hour has 3600 s of each. least: share of the hypervolume
        below which an hour is not worth it.
        """
        self._search = search
        self._seconds = HOUR_S * workers
        self._least = least

    def is_not_worth_it(self, history: History) -> bool:
        """Say whether it is expected to add less than was asked for; False before any forecast."""
        expected = self.expected(history)
        return expected is not None and expected.share < self._least

    def expected(self, history: History, *, any_trials: bool = False) -> HourlyGain | None:
        """Return what it is expected to add, None before the first student ended.

        any_trials: as if any number of further trials might be sampled.
        """
        forecast = self._search.forecast(history)
        if forecast is None:
            return None
        chosen = filled(
            self._search.ranked(history),
            forecast,
            self._seconds,
            new=math.inf if any_trials else self._search.trials_left(history),
            paused={trial.key for trial in history.waiting},
        )
        return HourlyGain(forecast.gain_of_all(chosen), forecast.hypervolume)


def filled(
    ranked: Sequence[StudentForecast],
    forecast: Forecast,
    seconds: float,
    *,
    new: float,
    paused: Container[str],
) -> list[tuple[StudentForecast, float]]:
    """Return the students that fill `seconds`, and the share of each that still fits.

    The most worthy first, and of those that are not `paused` at most `new`. Students of one
    checkpoint train it once.
    """
    chosen: list[tuple[StudentForecast, float]] = []
    trained: set[str] = set()
    for one in sorted(ranked, key=lambda each: -each.worth):
        if seconds <= 0:
            break
        if student_key(one.student) not in paused:
            if new <= 0:
                continue
            new -= 1
        keys = list(map(student_key, one.student.prefixes))
        needed = one.seconds
        if not trained.isdisjoint(keys):
            stages = forecast.stage_seconds(one.student)
            needed -= sum(s for key, s in zip(keys, stages, strict=True) if key in trained)
        trained.update(keys)
        chosen.append((one, min(1.0, seconds / needed)))
        seconds -= needed
    return chosen
