"""How the front grew: its hypervolume after every trial that moved it."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from objectives.fronts import hypervolume, losses_of
from reports.summary import StudySummary


@dataclass(frozen=True)
class Growth:
    """The front's hypervolume from one complete trial on, until the next growth."""

    trial: int
    """The trial that moved the front."""
    ended: int
    """Sampled trials that had ended by then, this one included."""
    seconds: float
    """Since the first record of the study."""
    hypervolume: float
    """Normalised to [0, 1] from the study's reference point."""


def growth(summary: StudySummary) -> tuple[Growth, ...]:
    """Return the steps of the hypervolume in the order in which trials completed."""
    history = summary.history
    points = sorted(history.points, key=lambda point: (point.completed, point.number))
    if not points:
        return ()
    ends = sorted(
        [
            *(student.completed for student in history.students),
            *(pruned.completed for pruned in history.pruned),
        ]
    )
    begin = min([points[0].completed, *ends[:1]])
    rows = losses_of(points, summary.objectives)
    front: list[int] = []
    steps: list[Growth] = []
    for index, point in enumerate(points):
        members = rows[front]
        if (members <= rows[index]).all(axis=1).any():
            continue
        kept = ~(rows[index] <= members).all(axis=1)
        front = [*np.array(front, dtype=int)[kept], index]
        value = hypervolume([points[i] for i in front], summary.reference, summary.objectives)
        if steps and value <= steps[-1].hypervolume:
            continue
        seconds = (point.completed - begin).total_seconds()
        ended = bisect_right(ends, point.completed)
        steps.append(Growth(point.number, ended, seconds, value))
    return tuple(steps)


def end_of(summary: StudySummary, steps: Sequence[Growth], over: str) -> float:
    """Return where the study stands on an axis of the hypervolume: its line ends there."""
    if over == "ended":
        return max(summary.history.ended, steps[-1].ended)
    history = summary.history
    times = [
        *(point.completed for point in history.points),
        *(pruned.completed for pruned in history.pruned),
    ]
    return float((max(times) - min(times)).total_seconds() / 60)


@dataclass(frozen=True)
class Rate:
    """Hypervolume won per hour by the clock."""

    so_far: float
    """Since the study's first record."""
    lately: float
    """Over the last quarter of that time."""


def hypervolume_rate(summary: StudySummary) -> Rate | None:
    """Return how fast the front grows, None before there is a point or any time has passed."""
    steps = growth(summary)
    hours = end_of(summary, steps, "minutes") / 60 if steps else 0.0
    if hours <= 0:
        return None
    before = [step.hypervolume for step in steps if step.seconds / 3600 <= 0.75 * hours]
    last = steps[-1].hypervolume
    return Rate(last / hours, (last - (before[-1] if before else 0.0)) / (0.25 * hours))
