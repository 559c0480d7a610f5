"""How often a stopped student would have entered the front, by those that were let run on."""

from dataclasses import dataclass

import numpy as np

from objectives.fronts import NO_BOUNDS, Bounds, losses_of
from reports.intervals import clopper_pearson
from studies.records import History


@dataclass(frozen=True)
class AuditRate:
    """P(would have entered the front | stopped), estimated.

    What stopping loses of the *true* front is another rate, which no running study can know.
    """

    entered: int
    audited: int
    low: float
    """Clopper and Pearson's exact 95 % interval."""
    high: float


def audit_rate(
    history: History, objectives: tuple[str, ...], bounds: Bounds = NO_BOUNDS
) -> AuditRate:
    """Return how many audited students entered the front when they ended, and out of how many.

    A student entered when one of its points is within `bounds` (beyond them a point is worth
    nothing to the study, and what is stopped for that is stopped rightly) and is neither beaten nor
    equalled by a point of another student that was complete before it.
    """
    points = history.points
    values = losses_of(points, objectives)
    reaches = np.array([bounds.allows(point) for point in points], dtype=np.bool_)
    students = np.array([point.student for point in points])
    completed = np.array([point.completed.timestamp() for point in points])
    audited = [student for student in history.students if student.audited]
    entered = 0
    for student in audited:
        before = values[(students != student.key) & (completed < student.completed.timestamp())]
        own = values[(students == student.key) & reaches]
        entered += any(not (before <= point).all(axis=1).any() for point in own)
    return AuditRate(entered, len(audited), *clopper_pearson(entered, len(audited)))
