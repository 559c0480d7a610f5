"""What a study's history says about a student in training: incumbents, scores, losses by scheme."""

from collections.abc import Sequence
from typing import TypeVar

from objectives.fronts import OBJECTIVES
from search.stopping import conformal
from search.stopping.incumbents import Incumbents
from studies.records import History, Paused, Point, Stopped, Student

Item = TypeVar("Item", Point, Student, Stopped | Paused)

ENOUGH_LOSSES = 5
"""Students a scheme must have been seen on before it is believed to cost every one something."""


class StoppingStatistics:
    """A history, reduced to what a ruling or an offer asks of it.

    `update` brings it up to another history. The answers depend on that history alone; when it
    continues the one before, which is the usual case, only what is new is read.
    """

    def __init__(
        self, objectives: Sequence[str] = OBJECTIVES, accuracy_floor: float | None = None
    ) -> None:
        self._objectives = tuple(objectives)
        self._floor = accuracy_floor
        self._forget()

    def _forget(self) -> None:
        self._history = History()
        self.incumbents = Incumbents(self._objectives, self._floor)
        self._finals: dict[str, float] = {}
        self._curves: dict[str, conformal.Curve] = {}
        self._audited: set[str] = set()
        self._stopped: set[str] = set()
        self._unmatched: list[Point] = []
        self._schemes: dict[str, set[str]] = {}
        self._losses: dict[str, dict[str, float]] = {}
        self._scores: dict[int, dict[str, float]] = {}
        self._quantiles: dict[tuple[float, int], float] = {}

    def update(self, history: History) -> None:
        """Answer for `history` from now on."""
        points = _news(self._history.points, history.points)
        students = _news(self._history.students, history.students)
        stopped = _news(self._history.pruned, history.pruned)
        if points is None or students is None or stopped is None or self._repeats(points, students):
            self._forget()
            points, students, stopped = history.points, history.students, history.pruned
        self._history = history
        self._take_students(students, stopped)
        self._take_points(points)

    def _repeats(self, points: Sequence[Point], students: Sequence[Student]) -> bool:
        """Say whether any is there already: which of two counts depends on their order."""
        return any(student.key in self._finals for student in students) or any(
            point.scheme in self.schemes_of(point.student) for point in points
        )

    def _take_students(
        self, students: Sequence[Student], stopped: Sequence[Stopped | Paused]
    ) -> None:
        for student in students:
            self._finals[student.key] = student.accuracy
            self._curves[student.key] = student.curve
            if student.audited is not None:
                self._audited.add(student.key)
        self._stopped.update(student.key for student in stopped)
        if students or stopped:
            self._quantiles.clear()

    def _take_points(self, points: Sequence[Point]) -> None:
        self.incumbents.add(points)
        for point in points:
            self._schemes.setdefault(point.student, set()).add(point.scheme)
        # A point may be there before the trial that trained its student has ended.
        waiting = [*self._unmatched, *points]
        self._unmatched = [point for point in waiting if point.student not in self._finals]
        for point in waiting:
            if point.student in self._finals:
                loss = self._finals[point.student] - point.accuracy
                self._losses.setdefault(point.scheme, {})[point.student] = loss

    def final_accuracy(self, student: str) -> float | None:
        """Return what the float network of a student that ran to its end reached, else None."""
        return self._finals.get(student)

    def schemes_of(self, student: str) -> set[str]:
        """Return the schemes under which a student is a point already."""
        return self._schemes.get(student, set())

    @property
    def natural(self) -> int:
        """Distinct students that ran to their end and were never to be stopped."""
        return len(self._curves) - self.audited

    @property
    def audited(self) -> int:
        """Distinct students that were to be stopped and ran to their end."""
        return len(self._audited)

    @property
    def stopped(self) -> int:
        """Distinct students that were stopped and never ran to their end."""
        return len(self._stopped - self._curves.keys())

    def quantile(self, delta: float, images: int) -> float:
        """Return conformal.quantile of the distinct students' scores at `delta`."""
        asked = (delta, images)
        if asked not in self._quantiles:
            scores = self._scores.setdefault(images, {})
            for key in self._curves.keys() - scores.keys():
                scores[key] = conformal.score(self._curves[key], images)
            self._quantiles[asked] = conformal.quantile(
                natural=[score for key, score in scores.items() if key not in self._audited],
                audited=[score for key, score in scores.items() if key in self._audited],
                stopped=self.stopped,
                delta=delta,
            )
        return self._quantiles[asked]

    def optimistic_loss(self, scheme: str) -> float:
        """Return the least accuracy that `scheme` is believed to cost a student; less is a gain.

        It is the least seen, and not more than 0 before ENOUGH_LOSSES students have been seen.
        """
        losses = self._losses.get(scheme, {})
        least = min(losses.values(), default=0.0)
        return least if len(losses) >= ENOUGH_LOSSES else min(0.0, least)


def _news(known: tuple[Item, ...], now: tuple[Item, ...]) -> tuple[Item, ...] | None:
    """Return what `now` has beyond `known`, or None when it does not have all of that.

    A trial that ends after later ones takes its place before them, so what is new need not be last.
    """
    same = len(known)
    while known[:same] != now[:same]:
        same = max(0, same - 2 * (len(known) - same) - 8)
    numbers = {item.number for item in known[same:]}
    if tuple(item for item in now[same:] if item.number in numbers) != known[same:]:
        return None
    return tuple(item for item in now[same:] if item.number not in numbers)
