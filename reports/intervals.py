"""Intervals of a share that was counted: how far chance alone can carry it."""

import math
from statistics import NormalDist

from scipy.special import betaincinv  # scipy.stats takes a second to import


def wilson(successes: float, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a binomial share (Wilson 1927), inside [0, 1].

    For accuracies over a few hundred images; no trials know nothing: (0, 1).
    """
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = successes / trials
    middle = share + z * z / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a binomial share (Clopper and Pearson 1934).

    Never too short, so fit for an audit of few cases; no trials know nothing: (0, 1).
    """
    tail = (1 - level) / 2
    below, above = successes, trials - successes
    low = 0.0 if below == 0 else float(betaincinv(below, above + 1, tail))
    high = 1.0 if above == 0 else float(betaincinv(below + 1, above, 1 - tail))
    return low, high
