"""Everything a report is made from, read once from a study."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import optuna

from objectives import MEASURES, Cost, CostTable, Measure
from objectives.fronts import OBJECTIVES, Bounds, ReferencePoint, Scored, front_probabilities
from reports.front import FrontPoint, front_of
from spaces import InputError, Space, digest, from_dict
from studies import BoundsTable, ReportTable, parse_stored
from studies.records import (
    History,
    Point,
    Replicate,
    StudyAttr,
    read_history,
    replicates_of,
)

DOUBT = 0.9
"""A front member less probable than this is in doubt."""


@dataclass(frozen=True)
class TeacherReference:
    """What every point is compared with: the teacher as it would ship without any compression."""

    network: str
    """Network.key."""
    accuracy: float
    """Of the float network on the validation split."""
    seconds: float
    """What training it took; 0 when its weights were loaded."""
    cost: Cost
    """Of its fp32 artifact."""


@dataclass(frozen=True)
class OtherTeacher:
    """A teacher beside the study's own, which students can learn from."""

    name: str
    words: str
    """What it is."""
    accuracy: float
    """On the validation split, in floats."""
    seconds: float
    """What training it took, without those it rests on."""


@dataclass(frozen=True)
class StudySummary:
    """A study as its report sees it: settings, costs, teacher and everything its trials say."""

    name: str
    config: Mapping[str, Any]
    """The study file's settings, as stored with the study."""
    fingerprint: str
    costs: CostTable
    teacher: TeacherReference
    history: History
    test_scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By front fingerprint: `scores`, by trial number or `teacher`: Evaluation dicts."""
    replicates: tuple[Replicate, ...] = ()
    """Students trained again on other seeds."""
    class_names: tuple[str, ...] = ()
    """Empty in older studies."""
    teachers: tuple[OtherTeacher, ...] = ()
    """Beside the study's own."""

    @classmethod
    def load(cls, study: optuna.Study) -> "StudySummary":
        """Read `study`; raises InputError when it has not got as far as a teacher and costs."""
        return cls.of(study.study_name, study.user_attrs, read_history(study))

    @classmethod
    def of(cls, name: str, attrs: Mapping[str, Any], history: History) -> "StudySummary":
        """Return the summary of a study whose attributes and history were read already."""
        missing = [str(key) for key in (StudyAttr.COSTS, StudyAttr.TEACHER) if key not in attrs]
        if missing:
            raise InputError(
                f"study {name!r} has nothing to report yet: it lacks its {' and '.join(missing)}, "
                "which search.run adds before the first trial"
            )
        costs = from_dict(CostTable, attrs[StudyAttr.COSTS])
        teacher = attrs[StudyAttr.TEACHER]
        return cls(
            name=name,
            config=attrs.get(StudyAttr.CONFIG, {}),
            fingerprint=attrs.get(StudyAttr.FINGERPRINT, ""),
            costs=costs,
            teacher=TeacherReference(
                costs.teacher,
                float(teacher["accuracy"]),
                float(teacher.get("seconds", 0.0)),
                costs.of(costs.teacher, "fp32"),
            ),
            teachers=tuple(
                OtherTeacher(name, str(one["words"]), float(one["accuracy"]), float(one["seconds"]))
                for name, one in attrs.get(StudyAttr.TEACHERS, {}).items()
            ),
            history=history,
            test_scores=attrs.get(StudyAttr.TEST_SCORES, {}),
            replicates=replicates_of(attrs),
            class_names=tuple(attrs.get(StudyAttr.CLASSES, ())),
        )

    @cached_property
    def space(self) -> Space:
        """What the study searches; raises InputError when its settings are not of today's form."""
        return parse_stored(self.config, f"the settings stored in {self.name!r}").search_space()

    def network_in_words(self, key: str) -> str:
        """Return a Network.key as this study says it."""
        return self.space.network_in_words(key)

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of the objectives the study chose; what it judges by comes first, as accuracy."""
        chosen = self.config.get("objectives", OBJECTIVES)
        return (OBJECTIVES[0], *chosen[1:])

    @property
    def measure(self) -> Measure:
        """What it judges by, and calls accuracy."""
        first, *_ = self.config.get("objectives", OBJECTIVES)
        return MEASURES[first]

    @property
    def measure_note(self) -> str:
        """Say what is called accuracy, where it is something else: `; accuracy is F1`."""
        words = self.measure.words
        return "" if words == OBJECTIVES[0] else f"; accuracy is {words}"

    @cached_property
    def bounds_table(self) -> BoundsTable:
        """The bounds as the study file has them."""
        return BoundsTable(**(self.config.get("bounds") or {}))

    def class_name(self, number: int) -> str:
        """Return the name of a class; its number where the study has not recorded names."""
        return self.class_names[number] if self.class_names else f"class {number}"

    @property
    def report_table(self) -> ReportTable:
        """What the study file lets the report show."""
        return ReportTable(**(self.config.get("report") or {}))

    @cached_property
    def bounds(self) -> Bounds:
        """What a point keeps to, or it is worth nothing to this study."""
        return self.bounds_table.of(self.teacher.accuracy, self.teacher.cost)

    @property
    def floor(self) -> float:
        """The accuracy below which a point is worth nothing to this study."""
        return self.bounds.accuracy

    def counts(self, point: Point) -> bool:
        """Whether a point is worth anything to this study: within its bounds."""
        return self.bounds.allows(point)

    @property
    def reference(self) -> ReferencePoint:
        """Where the hypervolume is measured from: the bounds, else the teacher's costs."""
        return self.bounds.reference(self.teacher.cost)

    @cached_property
    def front(self) -> tuple[FrontPoint, ...]:
        """The non-dominated complete trials, smallest first; equals stand as one."""
        return front_of(self.history.points, self.objectives)

    @cached_property
    def scored(self) -> tuple[Scored, ...]:
        """Every point with its accuracies on all seeds, in the order of the history's points."""
        repeated: dict[str, list[Replicate]] = {}
        for replicate in self.replicates:
            repeated.setdefault(replicate.student, []).append(replicate)
        return tuple(
            Scored(
                point.student,
                point.scheme,
                (
                    point.accuracy,
                    *(
                        replicate.accuracies[point.scheme]
                        for replicate in repeated.get(point.student, ())
                        if point.scheme in replicate.accuracies
                    ),
                ),
                tuple(float(getattr(point, name)) for name in self.objectives[1:]),
            )
            for point in self.history.points
        )

    @property
    def images(self) -> int | None:
        """Images of the validation split, as many as they are worth; None while no point tells."""
        points = self.history.points
        if not points:
            return None
        counts = np.array(points[0].evaluation.confusion).sum(axis=1)
        return self.measure.images_worth(counts)

    @cached_property
    def front_probability(self) -> Mapping[int, float]:
        """By trial: the probability that its recipe is on the front; see objectives."""
        shares = front_probabilities(self.scored, self.images or 0)
        return {
            point.number: float(share)
            for point, share in zip(self.history.points, shares, strict=True)
        }

    @cached_property
    def front_fingerprint(self) -> str:
        """Names the front, that its test scores stay with it: a digest of its trials."""
        return digest(sorted(number for member in self.front for number in member.numbers))[:16]

    def test_score(self, who: int | str) -> Mapping[str, Any] | None:
        """Return a trial's or the `teacher`'s evaluation on the test split, once it is scored."""
        scored = self.test_scores.get(self.front_fingerprint, {}).get("scores", {})
        evaluation: Mapping[str, Any] | None = scored.get(str(who))
        if evaluation is None:
            return None
        return {**evaluation, "accuracy": evaluation[self.measure.field]}

    def cost(self, point: Point) -> Cost:
        """Return what the cost table says about a point's artifact."""
        network = point.chain.student.deployed.key if point.chain else self.costs.teacher
        return self.costs.of(network, point.scheme)

    @cached_property
    def teacher_point(self) -> Point | None:
        """The teacher's fp32 file as a baseline, where the study scored it."""
        return next(
            (p for p in self.history.points if p.chain is None and p.scheme == "fp32"), None
        )

    @cached_property
    def points(self) -> Mapping[int, Point]:
        """Every point by its trial number."""
        return {point.number: point for point in self.history.points}
