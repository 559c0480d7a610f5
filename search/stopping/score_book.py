"""Scores of whole curves, by what became of their trials, and the quantile that bounds the next."""

import math
from dataclasses import dataclass

from search.stopping import conformal
from spaces import digest


@dataclass(frozen=True)
class Tally:
    """How many there are of every kind that the rule knows, each set of settings once."""

    natural: int
    """That ran to their end and were never to be stopped."""
    audited: int
    """That were to be stopped, and ran to their end to check the rule."""
    stopped: int
    """That were stopped and never ran to their end."""


class ScoreBook:
    """The scores of a study's curves. A name stands for one set of settings and counts once."""

    def __init__(self) -> None:
        self._natural: dict[str, float] = {}
        self._audited: dict[str, float] = {}
        self._stopped: set[str] = set()
        self._quantiles: dict[float, float] = {}

    def add_ended(self, name: str, score: float, *, audited: bool) -> None:
        """Take the score of a whole curve; what is repeated says nothing new."""
        if not self.knows(name):
            self._stopped.discard(name)
            (self._audited if audited else self._natural)[name] = score
            self._quantiles.clear()

    def add_stopped(self, name: str) -> None:
        """Take one that was stopped, unless it has ended in another trial."""
        if not self.knows(name):
            self._stopped.add(name)
            self._quantiles.clear()

    def knows(self, name: str) -> bool:
        """Say whether its whole curve was seen."""
        return name in self._natural or name in self._audited

    @property
    def tally(self) -> Tally:
        """The counts."""
        return Tally(len(self._natural), len(self._audited), len(self._stopped))

    def quantile(self, delta: float) -> float:
        """Return the score that a new one's exceeds with probability at most `delta`."""
        if delta not in self._quantiles:
            self._quantiles[delta] = conformal.quantile(
                [*self._natural.values()], [*self._audited.values()], len(self._stopped), delta
            )
        return self._quantiles[delta]

    def can_bound(self, delta: float) -> bool:
        """Say whether the level 1 - delta can be had."""
        return not math.isinf(self.quantile(delta))

    def audit_due(self, name: str | int, *, delta: float, share: float, seed: int) -> bool:
        """Say whether the next one to be stopped is audited: runs to its end, to check the rule.

        A share of them is, by a coin that depends on the seed and its name alone. So is the first
        of all, and any whose stopping would leave too many unknown scores for the level 1 - delta
        to be had again. Both depend on counts, never on a curve, so that the audited ones stay a
        random sample of those to be stopped, which is what conformal.quantile rests on.
        """
        tally = self.tally
        if tally.audited == 0:
            return True
        coin = int(digest("audit", seed, name)[:13], 16) / 16**13
        return coin < share or not conformal.attainable(
            tally.natural, tally.audited, tally.stopped + 1, delta
        )
