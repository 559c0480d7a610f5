"""A quasi-random sampler for a space in which some settings exist only beside others."""

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
from spaces import PLACES, DistilfrontError, digest

Point = NDArray[np.float64]
"""[at least one for each of PLACES], each in [0, 1)."""

DIMENSIONS = 64
"""Coordinates of a sequence, used or not: how it is scrambled depends on how many there are, and a
setting that is added must not move the others. Places beyond them are those of further sequences,
each scrambled by itself."""


class SobolSampler(OneByOneSampler):
    """The scrambled Sobol' sequence, one point per sampled trial (Owen 1998, by scipy).

    Optuna's QMCSampler takes its dimensions from the first trial, so a setting that trial had no
    use for is random ever after, and counts points in the study, where two workers can take the
    same one. Here a trial's point is the number of sampled trials before it, which every worker
    counts alike, and each setting has a coordinate of its own (spaces.PLACES), asked for or not.
    Nothing is learnt from results.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._point: tuple[int, int, Point] | None = None

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the setting at the coordinate of `param_name` of this trial's point."""
        if self._point is None or self._point[0] != trial.number:
            before = sum(
                other.number < trial.number and is_sampled(other)
                for other in study.get_trials(deepcopy=False)
            )
            self._point = (trial.number, before, self.point(before))
        _, index, point = self._point
        return at(param_distribution, self._share(param_name, index, point))

    def point(self, index: int) -> Point:
        """Return the point of that index."""
        from scipy.stats.qmc import Sobol  # takes longer to import than Optuna

        parts = []
        for further in range(-(-len(PLACES) // DIMENSIONS)):
            seed = [self._seed, further] if further else self._seed
            sequence = Sobol(DIMENSIONS, rng=np.random.default_rng(seed))
            if index:
                sequence.fast_forward(index)
            parts.append(sequence.random(1)[0])
        return np.concatenate(parts)

    def _share(self, name: str, index: int, point: Point) -> float:
        """Return the coordinate of a setting; of one that has no place, a random number."""
        if name in PLACES:
            return float(point[PLACES.index(name)])
        return int(digest("share", self._seed, name, index)[:13], 16) / 16**13


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
