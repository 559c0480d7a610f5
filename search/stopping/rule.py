"""The one rule by which a trial is stopped: whatever it could still become is had already.

All costs of a trial are known, and only its merit is learned (of which the greater is the better).
In every way in which it could end, its merit is at most a bound less what that way takes away. It
is stopped if in each way that lies below the incumbent's, the best merit of a complete trial that
costs no more, by more than a margin. The pruner of our studies and KnownCostStopper, for anybody's
study, are two faces of it.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from search.stopping.score_book import ScoreBook
from spaces import InputError


class Incumbent(Protocol):
    """What a trial must beat at some costs."""

    @property
    def number(self) -> int | None:
        """The trial that has it; None for a floor."""
        ...

    @property
    def merit(self) -> float:
        """Its merit."""
        ...


@dataclass(frozen=True)
class Ending:
    """One way in which a trial could end."""

    name: str
    """A scheme, or nothing where there is one way only."""
    costs: Sequence[float]
    """Of each, less is better."""
    loss: float = 0.0
    """Merit that this way takes away at the least; negative where it may add some."""


@dataclass(frozen=True)
class Shortfall:
    """How far a trial is from mattering, in the way in which it comes closest."""

    ending: Ending
    reach: float
    """The most merit that it could have there."""
    incumbent: Incumbent
    margin: float
    amount: float
    """incumbent - margin - reach, greater than 0."""


@dataclass(frozen=True)
class StoppingRule:
    """The rule, at a level and with audits."""

    delta: float
    """Probability with which a bound may be wrong."""
    audit_share: float
    """Of those to be stopped, how many run to their end to check it."""
    seed: int

    def __post_init__(self) -> None:
        if not 0 < self.delta <= 0.5:
            raise InputError(f"delta must be in (0, 0.5], got {self.delta}")
        if not 0 <= self.audit_share <= 1:
            raise InputError(f"audit_share must be in [0, 1], got {self.audit_share}")

    def shortfall(
        self,
        bound: float,
        endings: Iterable[Ending],
        incumbent_at: Callable[[Sequence[float]], Incumbent | None],
        margin: Callable[[float, float], float],
        *,
        most: float = math.inf,
    ) -> Shortfall | None:
        """Return how far a trial is from mattering; None when it may matter, or nobody can tell.

        bound: on the merit that it ends with. margin: by how much (reach, incumbent) must differ.
        most: the greatest merit there is.
        """
        found = []
        for ending in endings:
            incumbent = incumbent_at(ending.costs)
            if incumbent is None:
                return None
            reach = min(most, bound - ending.loss)
            needed = margin(reach, incumbent.merit)
            amount = incumbent.merit - needed - reach
            if not amount > 0:
                return None
            found.append(Shortfall(ending, reach, incumbent, needed, amount))
        return min(found, key=lambda each: each.amount, default=None)

    def audits(self, book: ScoreBook, name: str | int) -> bool:
        """Say whether one that is to be stopped runs to its end instead."""
        return book.audit_due(name, delta=self.delta, share=self.audit_share, seed=self.seed)
