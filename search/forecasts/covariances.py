"""The surrogate's covariance, fitted anew whenever there is a fifth more to fit it to."""

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, repeat, takewhile
from typing import Final

import numpy as np

from search.forecasts.features import Families, Features
from search.forecasts.gaussian_process import Covariance, Outcomes, fit
from search.forecasts.learning_curves import Progress, ended_stages, log_error, progress_of
from search.forecasts.prior_mean import Trend
from spaces import StudentConfig
from studies.records import History, Stopped, Student

_SIGNAL: Final = 0.5
"""What is assumed at first, like the next three: what recorded tables had in common
(docs/decisions)."""
_SHARED: Final = {"checkpoint": 0.06, "none": 0.01, "classifier": 0.004}
_ADAPTED: Final = 0.017
"""Shared by students that are adapted in any other layers."""
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
        images: int,
        scale: float,
        trend: Callable[[Iterable[Progress]], Trend],
    ) -> None:
        """Fit to log errors of `images`, above the `trend` that adapted students tell.

        scale: the standard deviation of these that is assumed.
        """
        self._features = features
        self._images = images
        self._scale = scale
        self._trend = trend
        self._fits: dict[int, Covariance] = {}

    def under(self, history: History) -> Covariance:
        """Return the covariance to use under `history`."""
        ended: list[Student | Stopped] = [*history.students, *history.stopped]
        ended.sort(key=lambda trial: (trial.completed, trial.number))
        size = _schedule(min(len(ended), _MOST))
        if size not in self._fits:
            first = ended[:size]
            self._fits[size] = self._fit(
                History(
                    students=tuple(trial for trial in first if isinstance(trial, Student)),
                    stopped=tuple(trial for trial in first if isinstance(trial, Stopped)),
                )
            )
        return self._fits[size]

    def _fit(self, history: History) -> Covariance:
        checkpoints, adapted = progress_of(history)
        stages = ended_stages(checkpoints, adapted)
        start = assumed(self._features)
        if len(stages) < 3:
            return start
        trend = self._trend(adapted.values())
        return fit(outcomes(stages, self._features, trend, self._images, self._scale), start)


def outcomes(
    ends: Sequence[tuple[StudentConfig, float]],
    features: Features,
    trend: Trend,
    images: int,
    scale: float,
) -> Outcomes:
    """Return what is known of students that ended: how far log errors are from the `trend`.

    ends: students with their final accuracies, on `images`. scale: as in Outcomes.
    """
    students = [student for student, _ in ends]
    logs = np.array([log_error(accuracy, images) for _, accuracy in ends])
    return Outcomes(
        features.of_all(students),
        Families().of(students),
        logs - trend.of(students),
        np.zeros(len(ends)),
        scale,
    )


def assumed(features: Features) -> Covariance:
    """Return what is assumed of a space's students before any was seen to end."""
    shared = tuple(_SHARED.get(kind, _ADAPTED) for kind in Families.kinds)
    return Covariance(_SIGNAL, shared, _OWN, features.lengths, features.blocks)


def _schedule(count: int) -> int:
    """Return the largest of 0, 3, 4, 5, 6, 8, 10, 12, … (a fifth more each) up to `count`."""
    sizes = accumulate(repeat(3), lambda size, _: max(size + 1, round(1.2 * size)))
    return max(takewhile(lambda size: size <= count, sizes), default=0)
