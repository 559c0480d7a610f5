"""What a study's history says about a student in training: incumbents, scores, losses by scheme."""

from collections.abc import Sequence
from typing import TypeVar

from objectives import Cost
from search.problem import SearchProblem
from search.stopping.curve_scores import LogErrors
from search.stopping.incumbents import CostIncumbent, IncumbentFront
from search.stopping.score_book import ScoreBook
from spaces import ANY_LAYOUT
from studies.records import History, Paused, Point, Stopped, Student

Item = TypeVar("Item", Point, Student, Stopped | Paused)

ENOUGH_LOSSES = 5
"""Students a scheme must have been seen on before it is believed to cost every one something."""


class StoppingStatistics:
    """A history, reduced to what a ruling or an offer asks of it.

    `update` brings it up to another history. The answers depend on that history alone; when it
    continues the one before, which is the usual case, only what is new is read.
    """

    def __init__(self, problem: SearchProblem) -> None:
        self._costs = problem.objectives[1:]
        self._floor = problem.reference.accuracy_floor
        # Before the first point there is nothing to score, however many images there will be.
        self._score = LogErrors(max(1, problem.validation_images))
        self._forget()

    def _forget(self) -> None:
        self._history = History()
        self._book = ScoreBook()
        self._unscored: list[tuple[Student, bool]] = []
        self._incumbents = IncumbentFront(len(self._costs), self._floor)
        self._finals: dict[str, float] = {}
        self._layouts: dict[str, str] = {}
        self._unmatched: list[Point] = []
        self._schemes: dict[str, set[str]] = {}
        self._losses: dict[tuple[str, str], dict[str, float]] = {}

    def update(self, history: History) -> None:
        """Answer for `history` from now on."""
        points = _news(self._history.points, history.points)
        students = _news(self._history.students, history.students)
        pruned = _news(self._history.pruned, history.pruned)
        if points is None or students is None or pruned is None or self._repeats(points, students):
            self._forget()
            points, students, pruned = history.points, history.students, history.pruned
        self._history = history
        self._take_students(students, pruned)
        self._take_points(points)

    def _repeats(self, points: Sequence[Point], students: Sequence[Student]) -> bool:
        """Say whether any is there already: which of two counts depends on their order."""
        return any(student.key in self._finals for student in students) or any(
            point.scheme in self.schemes_of(point.student) for point in points
        )

    def _take_students(
        self, students: Sequence[Student], pruned: Sequence[Stopped | Paused]
    ) -> None:
        # Of two trials of one student the later counts, and an audit whenever there was one.
        last = {student.key: student for student in students}
        audited = {student.key for student in students if student.audited is not None}
        for key, student in last.items():
            self._finals[key] = student.accuracy
            self._layouts[key] = student.chain.student.files.layout
            self._unscored.append((student, key in audited))
        for trial in pruned:
            self._book.add_stopped(trial.key)

    @property
    def book(self) -> ScoreBook:
        """The scores of the students; an offer, which asks for none, does not wait for them."""
        for student, audited in self._unscored:
            self._book.add_ended(student.key, self._score.of(student.curve), audited=audited)
        self._unscored.clear()
        return self._book

    def _take_points(self, points: Sequence[Point]) -> None:
        for point in points:
            self._incumbents.add(point.number, self.costs_of(point), point.accuracy)
            self._schemes.setdefault(point.student, set()).add(point.scheme)
        # A point may be there before the trial that trained its student has ended.
        waiting = [*self._unmatched, *points]
        self._unmatched = [point for point in waiting if point.student not in self._finals]
        for point in waiting:
            if point.student in self._finals:
                loss = self._finals[point.student] - point.accuracy
                kind = (point.scheme, self._layouts[point.student])
                self._losses.setdefault(kind, {})[point.student] = loss

    def costs_of(self, what: Point | Cost) -> tuple[float, ...]:
        """Return the costs that are objectives of the study; in the others all are alike."""
        return tuple([getattr(what, name) for name in self._costs])

    def incumbent_at(self, costs: Sequence[float]) -> CostIncumbent | None:
        """Return the incumbent at these costs, or None when nothing is as cheap yet."""
        return self._incumbents.at(costs)

    def final_accuracy(self, student: str) -> float | None:
        """Return what the float network of a student that ran to its end reached, else None."""
        return self._finals.get(student)

    def schemes_of(self, student: str) -> set[str]:
        """Return the schemes under which a student is a point already."""
        return self._schemes.get(student, set())

    def optimistic_loss(self, scheme: str, layout: str = ANY_LAYOUT) -> float:
        """Return the least accuracy that `scheme` is believed to cost a student; less is a gain.

        layout: that such students were trained for, by its key. It is the least seen, and not more
        than 0 before ENOUGH_LOSSES students have been seen.
        """
        losses = self._losses.get((scheme, layout), {})
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
