"""Whether a machine was quiet while its latencies were measured, and what to do when it was not."""

import time
from collections.abc import Callable
from statistics import median, quantiles

from objectives.costs.table import CostTable

_PATIENCE_S = 10.0
_LOOK_EVERY_S = 1.0
_LOOKS = 100
"""Pieces of work that are timed to see whether a machine is quiet."""
_UNEVEN = 2.0
"""Their p95 over their median on a machine that is not: about 1.2 on a quiet one."""


def measured_in_quiet(
    measure: Callable[[], CostTable],
    on_progress: Callable[[str], None],
    wait: Callable[[], bool] | None = None,
) -> CostTable:
    """Return a cost table, measured once more if the machine was busy and is quiet now.

    on_progress: is told when the machine is busy, and when the table that is returned is of a busy
    machine after all. wait: waits for quiet and says whether it came; for some seconds by default.
    """
    costs = measure()
    if not costs.busy_words:
        return costs
    on_progress(f"{costs.busy_words}; waiting {_PATIENCE_S:.0f} s at most for it to be quiet")
    if (wait or wait_for_quiet)():
        on_progress("the machine is quiet now, and costs are measured again")
        costs = min(costs, measure(), key=lambda table: table.unevenness)
    if costs.busy_words:
        on_progress(costs.busy_words)
    return costs


def wait_for_quiet(patience_s: float = _PATIENCE_S) -> bool:
    """Return True as soon as equal pieces of work take equal times, False after `patience_s`."""
    until = time.monotonic() + patience_s
    while True:
        taken = [_seconds_of_work() for _ in range(_LOOKS)]
        if quantiles(taken, n=20)[-1] <= _UNEVEN * median(taken):
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(_LOOK_EVERY_S)


def _seconds_of_work() -> float:
    begun = time.perf_counter()
    sum(range(20_000))
    return time.perf_counter() - begun
