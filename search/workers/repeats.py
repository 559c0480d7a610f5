"""Which student to train again, on which seed, so that less of the front is in doubt."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from objectives import DivergedError, OnEpoch, TrainedStudent, measured
from objectives.fronts import Beliefs
from reports import StudySummary
from spaces import StudentConfig, scheme_named
from studies.records import Point, Replicate

if TYPE_CHECKING:  # It needs torch, and what is to be done is known without.
    from objectives import Workbench


@dataclass(frozen=True)
class Repeat:
    """One training that is worth it."""

    point: Point
    """Whose student is trained again."""
    member: Point
    """The front member in doubt: the point itself, or the one that it may beat."""
    seed: int
    schemes: tuple[str, ...]
    """Under which the student is a point, and so is scored again."""

    @property
    def student(self) -> StudentConfig:
        """The settings to train: those of the point's student on the new seed."""
        if self.point.chain is None:
            raise ValueError("the teacher belongs to the study and is not trained again")
        return replace(self.point.chain.student, seed=self.seed)


class Doubts:
    """What is in doubt about a study's front, and how to have less of it.

    In doubt is a front member worth something to the study whose probability lies below `doubt`;
    its rivals are the points that beat it with more than 1 - `doubt` each. Each of their students
    is to have been trained on all of `seeds`.
    """

    def __init__(self, summary: StudySummary, seeds: Sequence[int], doubt: float) -> None:
        self._summary = summary
        self._seeds = seeds
        self._doubt = doubt
        self._trained = {(each.student, each.seed): each for each in summary.replicates}
        self._schemes: dict[str, list[str]] = {}
        for point in summary.history.points:
            self._schemes.setdefault(point.student, []).append(point.scheme)

    def members(self) -> list[Point]:
        """Return the members in doubt, the least probable first."""
        known = self._summary.front_probability
        members = [member.point for member in self._summary.front]
        return sorted(
            (p for p in members if known[p.number] < self._doubt and self._counts(p)),
            key=lambda point: (known[point.number], point.number),
        )

    def open(self) -> list[Repeat]:
        """Return every repeat that is wanted as things stand, the next one first.

        The most doubtful member comes first, with its rivals, the likeliest first; among these a
        first further seed before a second.
        """
        found: dict[tuple[str, int], Repeat] = {}
        for member in self.members():
            group = [member, *self._rivals(member)]
            repeats = [
                Repeat(point, member, seed, self._wanted(point))
                for seed in self._seeds
                for point in group
                if point.chain is not None and not self._is_done(point, seed)
            ]
            for repeat in repeats:
                found.setdefault((repeat.point.student, repeat.seed), repeat)
        return list(found.values())

    @cached_property
    def _beliefs(self) -> Beliefs:
        return Beliefs.of(self._summary.scored, self._summary.images or 0)

    def _counts(self, point: Point) -> bool:
        reference = self._summary.reference
        objectives = self._summary.objectives
        return point.accuracy > reference.accuracy_floor and all(
            getattr(point, name) < getattr(reference, name) for name in objectives[1:]
        )

    def _rivals(self, member: Point) -> list[Point]:
        points = self._summary.history.points
        numbers = [point.number for point in points]
        beating = self._beliefs.beaten_by(numbers.index(member.number))
        order = np.argsort(-beating, kind="stable")
        return [points[i] for i in order if beating[i] > 1 - self._doubt]

    def _wanted(self, point: Point) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._schemes[point.student]))

    def _is_done(self, point: Point, seed: int) -> bool:
        trained = self._trained.get((point.student, seed))
        return trained is not None and trained.accuracies.keys() >= set(self._wanted(point))


def train(repeat: Repeat, workbench: "Workbench", on_epoch: OnEpoch) -> Replicate:
    """Train and score a repeat; one that diverges has the accuracy of guessing.

    `on_epoch` may raise to end it; the epochs that were trained are kept by the stage cache.
    """
    key, student = repeat.point.student, repeat.student
    try:
        trained = workbench.train_student(student, on_epoch)
    except DivergedError:
        guessing = dict.fromkeys(repeat.schemes, 1 / workbench.data.classes)
        return Replicate(key, repeat.seed, guessing, 0.0)
    if not isinstance(trained, TrainedStudent):
        raise TypeError("a student stopped that nobody had told to")
    accuracies = {
        scheme: measured(
            workbench.evaluate(trained, student.deployed, scheme_named(scheme), "validation"),
            workbench.setup.measure,
        )
        for scheme in repeat.schemes
    }
    seconds = sum(stage.seconds for stage in trained.stages)
    return Replicate(key, repeat.seed, accuracies, seconds)


def seconds_of(repeats: Sequence[Repeat], summary: StudySummary) -> float:
    """Return how long `repeats` will train, by how long their students did in the study."""
    took = {
        student.key: sum(stage.seconds for stage in student.stages)
        for student in summary.history.students
    }
    return sum(took.get(repeat.point.student, 0.0) for repeat in repeats)
