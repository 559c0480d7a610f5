"""How much better can this value still become? Scores of whole curves, whatever is measured.

A curve is given as (progress, merit) pairs: a *merit* is a value of which the greater is the better
(a loss goes in negated). Its *score* is its steepest way up, over its steps e < 1, to its end:

    score = max over e of  (merit(1) - merit(e)) / ahead(e),

with `ahead` of conformal. A new trial whose score is at most q ends, by every one of its
steps at once, with at most merit(e) + q * ahead(e). What conformal says of its own score,
which is this one with -log(error) for a merit, holds here: split conformal prediction needs a score
that is fixed beforehand, and no more (Lei 2018, section 2). Scores have the metric's unit, and so
have quantiles: a ruling stays the same when the metric is shifted or scaled.
"""

from dataclasses import dataclass
from typing import Protocol

from search.stopping import conformal
from spaces import InputError


class CurveScore(Protocol):
    """Turns a whole curve into a number, and a quantile of such numbers into a bound."""

    def check(self, merit: float) -> None:
        """Raise InputError when a curve cannot hold this merit."""
        ...

    def of(self, curve: conformal.Curve) -> float:
        """Return the score, at least 0, of a whole curve: one that ends at progress 1."""
        ...

    def bound(self, curve: conformal.Curve, q: float) -> float:
        """Return the most that a curve of these steps ends with if its score is at most `q`.

        No step is at progress 1, and `q` is finite.
        """
        ...


@dataclass(frozen=True)
class RawGain:
    """For any metric: the steepest gain to the end, in the metric's own unit."""

    def check(self, merit: float) -> None:
        """Take every merit, an infinite one too: that of a diverged loss is -inf."""

    def of(self, curve: conformal.Curve) -> float:
        """Return the score of a whole curve; see CurveScore."""
        (_, final), steps = curve[-1], curve[:-1]
        # inf - inf has no value, and where the end equals the step nothing was gained.
        gains = [(final - merit) / conformal.ahead(e) for e, merit in steps if merit != final]
        return max([0.0, *gains])

    def bound(self, curve: conformal.Curve, q: float) -> float:
        """Return the most such a curve ends with; see CurveScore."""
        return min(merit + q * conformal.ahead(progress) for progress, merit in curve)


@dataclass(frozen=True)
class LogErrors:
    """For accuracies, maximised: the steepest fall of the log error, as in conformal."""

    images: int
    """Images that the accuracy is measured on."""

    def __post_init__(self) -> None:
        if self.images < 1:
            raise InputError(f"an accuracy is measured on 1 image or more, got {self.images}")

    def check(self, merit: float) -> None:
        """Take accuracies only."""
        if not 0 <= merit <= 1:
            raise InputError(
                f"LogErrors takes accuracies from 0 to 1 that are maximised, got {abs(merit):g}"
            )

    def of(self, curve: conformal.Curve) -> float:
        """Return conformal.score of a whole curve."""
        return conformal.score(curve, self.images)

    def bound(self, curve: conformal.Curve, q: float) -> float:
        """Return conformal.upper_bound of these steps."""
        return conformal.upper_bound(curve, self.images, q)
