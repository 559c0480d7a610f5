"""The learning rate over a training run, as a pure function: nothing to save, nothing to resume."""

import math

from spaces import Schedule

_WARM_UP = 0.3
_FIRST = 1 / 25
_LAST = 1 / 25e4
"""Share of steps that rise, and the first and last rate over the peak, as torch's OneCycleLR."""


def learning_rate(schedule: Schedule, step: int, steps: int) -> float:
    """Return the rate of step `step` (from 0) of a run of `steps` steps.

    The decay has the shape of a shorter run that begins after the warm-up.
    """
    peak = schedule.learning_rate
    warm = round(steps * schedule.warmup_epochs / schedule.epochs)
    if step < warm:
        return peak * (step + 1) / (warm + 1)
    step, steps = step - warm, steps - warm
    if schedule.decay == "constant":
        return peak
    if schedule.decay == "cosine":
        return peak * (1 + math.cos(math.pi * step / steps)) / 2
    if schedule.decay == "step":
        passed = sum(step >= share * steps for share in (5 / 8, 3 / 4, 7 / 8))
        return float(peak * 0.1**passed)
    top = _WARM_UP * steps - 1
    if step <= top:
        return _cosine(peak * _FIRST, peak, step / top)
    return _cosine(peak, peak * _LAST, (step - top) / max(steps - 1 - top, 1))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
