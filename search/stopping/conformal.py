"""How accurate can this student still become? A conformal upper bound from whole curves.

With err(e) = 1 - accuracy + 1 / (2 n), n validation images, a student's *score* is its steepest
way down, over its steps e < 1, to where it ended:

    score = max over e of  log(err(e) / err(1)) / ahead(e),   ahead(e) = (1 - progress(e))^2 + 0.1.

If a new student's score is at most q, then at every one of its steps at once
err(1) >= err(e) * exp(-q * ahead(e)), which bounds the accuracy it ends with from above. The shape
`ahead` decides how tight the bound is, never whether it holds: with a learning rate that anneals,
what is left to be gained falls faster than the epochs that are left, and the 0.1 is for the jitter
of the last epochs, which would otherwise be the worst step of every curve.
One score a curve, its worst step, so looking after every epoch costs nothing in level. And as the
shape is fixed beforehand, scores of exchangeable students are exchangeable: q = the
ceil((1 - delta)(n + 1))-th smallest of n scores holds with probability at least 1 - delta whatever
the distribution is (split conformal prediction: Vovk 2005; Lei 2018, section 2).
"""

import math
from collections.abc import Sequence

import numpy as np

from spaces import DistilfrontError

ROUNDING = 1e-9
"""Masses this close count as equal: 9 students must do at delta 0.1."""

Curve = Sequence[tuple[float, float]]
"""(progress, accuracy) pairs by ascending progress, one an epoch; a whole curve ends at 1."""


def score(curve: Curve, images: int) -> float:
    """Return the score of a whole curve, at least 0: no student is promised to get worse."""
    (end, final), steps = curve[-1], curve[:-1]
    if not math.isclose(end, 1):
        raise DistilfrontError(f"a curve to learn from must end at progress 1, got {end}")
    last = math.log(_error(final, images))
    falls = [
        (math.log(_error(accuracy, images)) - last) / ahead(progress)
        for progress, accuracy in steps
    ]
    return max([0.0, *falls])


def quantile(
    natural: Sequence[float], audited: Sequence[float], stopped: int, delta: float
) -> float:
    """Return the score that a new student's exceeds with probability at most `delta`.

    `natural` holds the scores of students that ended on their own, `audited` those of students
    that would have been stopped and ran on, `stopped` counts the stopped ones, whose scores nobody
    will know. Audited students are a random sample of all that were to be stopped, so a stopped
    one's score is equally likely to fall in any of the a + 1 gaps between their a scores: it
    weighs 1 / (a + 1) at each of them and 1 / (a + 1) at infinity, above the largest. The new
    student stands at infinity itself. Without stopped students this is split conformal's quantile;
    without audited ones every stopped student stands at infinity.

    Infinite when the finite masses do not reach 1 - delta: the level cannot be had.
    """
    if not attainable(len(natural), len(audited), stopped, delta):
        return math.inf
    scores = np.array([*natural, *audited], dtype=np.float64)
    masses = np.ones(len(scores))
    masses[len(natural) :] += stopped / (len(audited) + 1)
    order = np.argsort(scores, kind="stable")
    needed = (1 - delta) * (len(scores) + stopped + 1)
    return float(scores[order][np.searchsorted(np.cumsum(masses[order]), needed - ROUNDING)])


def attainable(natural: int, audited: int, stopped: int, delta: float) -> bool:
    """Say whether the level 1 - delta can be had: the mass at infinity is at most delta of all."""
    at_infinity = 1 + stopped / (audited + 1)
    return at_infinity <= delta * (natural + audited + stopped + 1) + ROUNDING


def upper_bound(curve: Curve, images: int, q: float) -> float:
    """Return the highest accuracy a student with this curve so far can end with, at most 1.

    Every step bounds the end, so the lowest of their bounds counts. An infinite `q` bounds
    nothing and gives 1; a curve that has reached its end gives what it ended with.
    """
    least_error = 0.0
    for progress, accuracy in curve:
        error = _error(accuracy, images)
        if progress >= 1:
            return accuracy
        least_error = max(least_error, error * math.exp(-q * ahead(progress)))
    return min(1.0, 1 + 1 / (2 * images) - least_error)


def ahead(progress: float) -> float:
    """Return how much of a curve's fall in log error a student at `progress` may have ahead."""
    return (1 - progress) ** 2 + 0.1


def _error(accuracy: float, images: int) -> float:
    """Share of errors with half an image added, so that a perfect curve has a logarithm."""
    return 1 - accuracy + 1 / (2 * images)
