"""A quasi-random sampler for a space in which some settings exist only beside others."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial

from search.strategy.one_by_one import OneByOneSampler
from search.strategy.student_only_study import is_sampled
from spaces import DistilfrontError, Space

Point = NDArray[np.float64]
"""[dimensions], each in [0, 1)."""

DIMENSIONS = tuple(field.name for field in fields(Space))
"""Every setting has its own coordinate, asked for or not."""


class SobolSampler(OneByOneSampler):
    """The scrambled Sobol' sequence, one point per sampled trial (Owen 1998, by scipy).

    Optuna's QMCSampler takes its dimensions from the first trial, so a setting that trial had no
    use for is random ever after, and counts points in the study, where two workers can take the
    same one. Here a trial's point is the number of sampled trials before it, which every worker
    counts alike. Nothing is learnt from results.
    """

    def __init__(self, seed: int, dimensions: Sequence[str] = DIMENSIONS) -> None:
        self._seed = seed
        self._dimensions = list(dimensions)
        self._point: tuple[int, Point] | None = None

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the setting at the coordinate of `param_name` of this trial's point."""
        if param_name not in self._dimensions:
            raise DistilfrontError(f"{param_name} is not among {', '.join(self._dimensions)}")
        if self._point is None or self._point[0] != trial.number:
            before = sum(
                other.number < trial.number and is_sampled(other)
                for other in study.get_trials(deepcopy=False)
            )
            self._point = (trial.number, self.point(before))
        share = self._point[1][self._dimensions.index(param_name)]
        return at(param_distribution, float(share))

    def point(self, index: int) -> Point:
        """Return the sequence's point of that index."""
        from scipy.stats.qmc import Sobol  # takes longer to import than Optuna

        sequence = Sobol(len(self._dimensions), rng=np.random.default_rng(self._seed))
        if index:
            sequence.fast_forward(index)
        point: Point = sequence.random(1)[0]
        return point


def at(distribution: BaseDistribution, share: float) -> Any:
    """Return the value below which `share`, in [0, 1), of `distribution`'s mass lies."""
    match distribution:
        case CategoricalDistribution(choices=choices):
            return choices[int(share * len(choices))]
        case FloatDistribution(low=low, high=high, step=None, log=True):
            return float(low * (high / low) ** share)
        case FloatDistribution(low=low, high=high, step=None):
            return low + share * (high - low)
        case FloatDistribution(low=low, high=high, step=float(step)):
            return min(high, low + step * int(share * (round((high - low) / step) + 1)))
        case IntDistribution(low=low, high=high, step=step, log=False):
            return low + step * int(share * ((high - low) // step + 1))
    raise DistilfrontError(f"no quasi-random value of {distribution}")
