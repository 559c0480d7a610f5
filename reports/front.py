"""The front: the points that no other point beats in every objective."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from objectives.fronts import losses_of, nondominated
from studies.records import Point


@dataclass(frozen=True)
class FrontPoint:
    """A place on the front: the earliest trial there, and the later ones with equal objectives."""

    point: Point
    equals: tuple[int, ...]
    """Numbers of the other trials with exactly the same objectives."""

    @property
    def numbers(self) -> tuple[int, ...]:
        """Every trial at this place, the earliest first."""
        return (self.point.number, *self.equals)


def front_of(points: Sequence[Point], objectives: Sequence[str]) -> tuple[FrontPoint, ...]:
    """Return the front of `points`, smallest first; no points have an empty front."""
    if not points:
        return ()
    values = losses_of(points, objectives)
    places: dict[tuple[float, ...], list[Point]] = {}
    for index in np.flatnonzero(nondominated(values)).tolist():
        places.setdefault(tuple(values[index]), []).append(points[index])
    members = []
    for place in places.values():
        first, *others = sorted(place, key=lambda point: point.number)
        members.append(FrontPoint(first, tuple(point.number for point in others)))
    return tuple(sorted(members, key=lambda member: (member.point.size_bytes, member.point.number)))
