"""Which of those that are to be stopped run on instead, so that somebody stands for the others."""

from search.stopping import conformal
from spaces import digest


def audit_due(
    natural: int,
    audited: int,
    stopped: int,
    *,
    delta: float,
    share: float,
    seed: int,
    name: str | int,
) -> bool:
    """Say whether the next one to be stopped is audited: runs to its end, to check the rule.

    A share of them is, by a coin that depends on the seed and its name alone. So is the first of
    all, and any whose stopping would leave too many unknown scores for the level 1 - delta to be
    had again. Both depend on counts, never on a curve, so that the audited ones stay a random
    sample of those to be stopped, which is what conformal.quantile rests on.

    `natural`, `audited` and `stopped` are counted as there.
    """
    if audited == 0:
        return True
    coin = int(digest("audit", seed, name)[:13], 16) / 16**13
    return coin < share or not conformal.attainable(natural, audited, stopped + 1, delta)
