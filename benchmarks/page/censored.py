"""Quantiles of what was not always seen to its end: exact, or a bound.

A run that did not reach a share of the true hypervolume is censored: the compute to it is more than
what it had spent when its budget or its trials ended, and infinite where how many trials there are
is what the strategy is. Such runs are neither left out nor counted as if they had arrived: a
quantile that falls on one is stated as a bound, `> X`, or as `never`.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    """A number, or what it is more than; infinite is never."""

    value: float
    exact: bool = True

    def __str__(self) -> str:
        if math.isinf(self.value):
            return "never"
        return _short(self.value) if self.exact else f"> {_short(_rounded_down(self.value))}"

    def over(self, other: "Bound") -> "Bound | None":
        """Return self / other, None where `other` is no number: then nothing bounds it."""
        return Bound(self.value / other.value, self.exact) if other.exact else None


@dataclass(frozen=True)
class Spread:
    """Median and quartiles over seeds."""

    low: Bound
    median: Bound
    high: Bound

    def __str__(self) -> str:
        return f"{self.median} ({self.low} to {self.high})"


def spread(values: Iterable[tuple[float | None, float]]) -> Spread | None:
    """Return median and quartiles of values, each with what it is more than where it is None."""
    known = list(values)
    if not known:
        return None
    return Spread(*(quantile(known, at) for at in (0.25, 0.5, 0.75)))


def quantile(values: Sequence[tuple[float | None, float]], at: float) -> Bound:
    """Return a quantile (linear between order statistics) of values, some of them censored.

    values: (value, anything), or (None, what it is more than). Exact where the order statistics
    that it lies between are known to be smaller than all that is not known; else a lower bound:
    the quantile with every censored value taken for its own bound.
    """
    unknown = [bound for value, bound in values if value is None]
    lower = sorted(bound if value is None else value for value, bound in values)
    place = at * (len(lower) - 1)
    below, upper = lower[math.floor(place)], lower[math.ceil(place)]
    value = below if math.isinf(upper) else below * (1 - place % 1) + upper * (place % 1)
    return Bound(value, all(upper < bound for bound in unknown))


def _rounded_down(value: float) -> float:
    """Return `value` to three digits, or whole ones from 100 on: a lower bound stays one."""
    step = 1.0 if value >= 100 else 10.0 ** (math.floor(math.log10(value)) - 2)
    return math.floor(value / step + 1e-9) * step


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
