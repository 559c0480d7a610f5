"""The process's covariance, fitted anew whenever there is a fifth more to fit it to."""

from collections.abc import Callable, Sequence
from itertools import accumulate, repeat, takewhile
from typing import Final

import numpy as np

from search.forecasts.features import Features, RandomEffects
from search.forecasts.gaussian_process import Covariance, Outcomes, fit
from search.forecasts.learning_curves import Progress, ended_stages, log_error, progress_of
from search.forecasts.prior_mean import PriorMean
from spaces import StudentConfig
from studies.records import History, Paused, Stopped, Student

_SIGNAL: Final = 0.5
"""What is assumed at first, like the next: what recorded tables had in common (docs/decisions)."""
_OWN: Final = 0.008
_MOST: Final = 200
"""Trials that a fit looks at: what settings matter is known by then."""


class Covariances:
    """Fits and remembers; what it answers depends on the history alone.

    A fit costs a hundred times a prediction. So it looks at the first 3, 4, 5, 6, 8, … trials that
    ended: whoever reads the same history, at whatever moment they began to, has the same fit.
    """

    def __init__(
        self,
        features: Features,
        effects: RandomEffects,
        images: int,
        scale: float,
        prior_mean: Callable[[Progress], PriorMean],
    ) -> None:
        """Fit to log errors of `images`, above the `prior_mean` that trained students tell.

        scale: the standard deviation of these that is assumed.
        """
        self._features = features
        self._effects = effects
        self._images = images
        self._scale = scale
        self._prior_mean = prior_mean
        self._fits: dict[int, Covariance] = {}

    def under(self, history: History) -> Covariance:
        """Return the covariance to use under `history`."""
        ended: list[Student | Stopped | Paused] = [*history.students, *history.pruned]
        ended.sort(key=lambda trial: (trial.completed, trial.number))
        size = _schedule(min(len(ended), _MOST))
        if size not in self._fits:
            first = ended[:size]
            self._fits[size] = self._fit(
                History(
                    students=tuple(trial for trial in first if isinstance(trial, Student)),
                    stopped=tuple(trial for trial in first if isinstance(trial, Stopped)),
                    paused=tuple(trial for trial in first if isinstance(trial, Paused)),
                )
            )
        return self._fits[size]

    def _fit(self, history: History) -> Covariance:
        progress = progress_of(history)
        ends = list(ended_stages(progress))
        start = assumed(self._features, self._effects)
        if len(ends) < 3:
            return start
        prior_mean = self._prior_mean(progress)
        known = outcomes(ends, self._features, self._effects, prior_mean, self._images, self._scale)
        return fit(known, start)


def outcomes(
    ends: Sequence[tuple[StudentConfig, float]],
    features: Features,
    effects: RandomEffects,
    prior_mean: PriorMean,
    images: int,
    scale: float,
) -> Outcomes:
    """Return what is known of students that ended: how far log errors are from the `prior_mean`.

    ends: students with their final accuracies, on `images`. scale: as in Outcomes.
    """
    students = [student for student, _ in ends]
    logs = np.array([log_error(accuracy, images) for _, accuracy in ends])
    return Outcomes(
        features.of_all(students),
        effects.of(students),
        logs - prior_mean.of(students),
        np.zeros(len(ends)),
        scale,
    )


def assumed(features: Features, effects: RandomEffects) -> Covariance:
    """Return what is assumed of a space's students before any was seen to end."""
    return Covariance(_SIGNAL, effects.variances, _OWN, features.lengths, features.blocks)


def _schedule(count: int) -> int:
    """Return the largest of 0, 3, 4, 5, 6, 8, 10, 12, … (a fifth more each) up to `count`."""
    sizes = accumulate(repeat(3), lambda size, _: max(size + 1, round(1.2 * size)))
    return max(takewhile(lambda size: size <= count, sizes), default=0)
