"""Networks that compute less for a stage of their chain, and are no faster: why, in words."""

from collections.abc import Iterator

from reports import words
from reports.summary import StudySummary

_LESS, _AS_SLOW = 0.75, 0.9
"""At most so much of the FLOPs, and at least so much of the latency."""


def no_faster(summary: StudySummary) -> tuple[str, ...]:
    """Return a sentence for each network and scheme with points of which that is so."""
    return tuple(dict.fromkeys(_sentences(summary)))


def _sentences(summary: StudySummary) -> Iterator[str]:
    costs = summary.costs
    for point in summary.history.points:
        if point.chain is None:
            continue
        whole, last = point.chain.student.network, point.chain.student.deployed
        if whole == last or not costs.has(whole.key, point.scheme):
            continue
        before, after = (costs.of(one.key, point.scheme) for one in (whole, last))
        flops, latency = after.flops / before.flops, after.median_ms / before.median_ms
        if flops <= _LESS and latency >= _AS_SLOW:
            yield (
                f"{summary.network_in_words(last.key)}, has {flops:.0%} of the FLOPs of the whole "
                f"network and takes {latency:.0%} of its time under {words.scheme(point.scheme)}: "
                "with so few channels, calling a layer and the blocks that kernels work in cost "
                "more than what is computed"
            )
