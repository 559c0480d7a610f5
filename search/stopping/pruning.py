"""Stop a student that can no longer matter: its costs are known, so only its accuracy is open."""

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Protocol

from search.problem import SearchProblem
from search.stopping import conformal
from search.stopping.conformal import Curve
from search.stopping.rule import Ending, StoppingRule
from search.stopping.stopping_statistics import StoppingStatistics
from spaces import ChainConfig, UnknownNameError, student_key
from studies.records import History


@dataclass(frozen=True)
class Reason:
    """Why a student can no longer matter, told for the scheme in which it comes closest."""

    progress: float
    """Share of its epochs that were done."""
    accuracy: float
    """What it had reached by then."""
    bound: float
    """Upper bound on the accuracy its float network ends with."""
    level: float
    """Probability with which the bound holds: 1 - delta."""
    students: int
    """Distinct students whose whole curves the bound rests on."""
    scheme: str
    """The scheme in which it comes closest to its incumbent."""
    reach: float
    """`bound` less that scheme's optimistic loss."""
    incumbent: float
    """Best accuracy to be had at that scheme's cost."""
    incumbent_number: int | None
    """The trial that has it; None where it is the study's accuracy floor."""
    margin: float
    """Error of the comparison of the two accuracies."""
    shortfall: float
    """How far from mattering: incumbent - margin - reach, greater than 0."""

    @property
    def words(self) -> str:
        """The reason as a sentence."""
        rival = (
            "the study asks for"
            if self.incumbent_number is None
            else f"trial {self.incumbent_number}, no larger and no slower, has"
        )
        return (
            f"after {self.progress:.0%} of its epochs it has {self.accuracy:.2%} accuracy and "
            f"ends, at level {self.level:g} over {self.students} students, with at most "
            f"{self.bound:.2%}; where it comes closest, as {self.scheme}, with at most "
            f"{self.reach:.2%}, and {rival} {self.incumbent:.2%} (margin "
            f"{self.margin * 100:.2f} points)"
        )


@dataclass(frozen=True)
class BeyondBounds:
    """No scheme makes a file of the student's network that is within the study's bounds."""

    progress: float
    accuracy: float
    network: str
    """Network.key."""

    @property
    def words(self) -> str:
        """The reason as a sentence."""
        return (
            f"after {self.progress:.0%} of its epochs it has {self.accuracy:.2%} accuracy, and no "
            f"file of {self.network} is within the study's bounds of size and latency"
        )


@dataclass(frozen=True)
class GoOn:
    """The student may still matter, or it cannot be told."""


@dataclass(frozen=True)
class Stop:
    """The student cannot matter and is stopped."""

    reason: "Worded"


@dataclass(frozen=True)
class Audit:
    """The student cannot matter by the rule, and runs to its end to check the rule."""

    reason: Reason


@dataclass(frozen=True)
class Pause:
    """Something else is worth more now: the student is paused and may be resumed later."""

    reason: "Worded"


Ruling = GoOn | Stop | Audit | Pause


class Worded(Protocol):
    """A reason that can be told; its fields are recorded on the trial."""

    @property
    def words(self) -> str:
        """The reason as a sentence."""
        ...


def as_record(ruling: Stop | Audit | Pause) -> dict[str, Any]:
    """Return what a trial records of a ruling: the reason's fields, its `words` and its kind."""
    reason: Any = ruling.reason
    kind = {"audited": isinstance(ruling, Audit), "paused": isinstance(ruling, Pause)}
    return asdict(reason) | kind | {"words": reason.words}


@dataclass(frozen=True)
class StudentInTraining:
    """What a ruling is about: a student after one more epoch, and what else there is."""

    history: History
    chain: ChainConfig
    curve: Curve
    """So far, at least one epoch."""


class Pruner(Protocol):
    """Rules, at every epoch report, whether a student goes on."""

    def rule(self, student: StudentInTraining) -> Ruling:
        """Rule on a student in training.

        One that was audited once runs to its end: the caller asks no more.
        """
        ...


class NoPruner:
    """Every student runs to its end."""

    def rule(self, student: StudentInTraining) -> Ruling:  # noqa: ARG002
        """Return GoOn."""
        return GoOn()


class KnownCostPruner:
    """Stops a student whose accuracy cannot reach the incumbent's at any cost it could have.

    It is stopped iff for every scheme: bound - optimistic loss < incumbent - margin, with the
    bound of conformal. Where nothing is as small and as fast yet, or the level cannot be
    had, it goes on.

    A share of those to be stopped is audited instead, by a coin that depends on the seed and the
    student alone. So is the first of all, and any whose stopping would leave too many unknown
    scores for the bound to be had again: both depend on counts, never on the student's curve,
    so that the audited ones stay a random sample.
    """

    def __init__(
        self, problem: SearchProblem, *, delta: float = 0.1, audit_share: float = 0.2, seed: int = 0
    ) -> None:
        self._rule = StoppingRule(delta, audit_share, seed)
        self._problem = problem
        self._statistics = StoppingStatistics(problem)

    def rule(self, student: StudentInTraining) -> Ruling:
        """Rule on a student in training; see Pruner."""
        statistics, problem, delta = self._statistics, self._problem, self._rule.delta
        chain, curve, images = student.chain, student.curve, problem.validation_images
        key, files = student_key(chain.student), chain.student.files
        statistics.update(student.history)
        if curve[-1][0] >= 1 or statistics.final_accuracy(key) is not None:
            return GoOn()  # nothing is left to save: its end is here, or in the stage cache
        affordable = problem.affordable(files)
        if not affordable:
            return Stop(BeyondBounds(curve[-1][0], curve[-1][1], files.network))
        if not statistics.book.can_bound(delta):
            return GoOn()
        bound = conformal.upper_bound(curve, images, statistics.book.quantile(delta))
        endings = (
            Ending(
                scheme,
                statistics.costs_of(problem.costs.of(files.network, scheme)),
                statistics.optimistic_loss(scheme, files.layout),
            )
            for scheme in affordable
        )
        closest = self._rule.shortfall(
            bound,
            endings,
            statistics.incumbent_at,
            lambda reach, incumbent: paired_margin(reach, incumbent, images, delta),
            most=1.0,
        )
        if closest is None:
            return GoOn()
        tally = statistics.book.tally
        reason = Reason(
            progress=curve[-1][0],
            accuracy=curve[-1][1],
            bound=bound,
            level=1 - delta,
            students=tally.natural + tally.audited,
            scheme=closest.ending.name,
            reach=closest.reach,
            incumbent=closest.incumbent.merit,
            incumbent_number=closest.incumbent.number,
            margin=closest.margin,
            shortfall=closest.amount,
        )
        return Audit(reason) if self._rule.audits(statistics.book, key) else Stop(reason)


def paired_margin(a: float, b: float, images: int, delta: float) -> float:
    """Return the error, at one-sided level 1 - delta, of b - a measured on the same images.

    Two accuracies on n images differ by (n01 - n10) / n, whose variance is
    (p01 + p10 - (a - b)^2) / n, and p01 + p10 is at most (1 - a) + (1 - b): McNemar's variance
    for paired proportions with the disagreement at its largest.
    """
    disagreement = (1 - a) + (1 - b) - (a - b) ** 2
    return NormalDist().inv_cdf(1 - delta) * math.sqrt(max(0.0, disagreement) / images)


def pruner_named(
    name: str,
    problem: SearchProblem,
    *,
    delta: float = 0.1,
    audit_share: float = 0.2,
    seed: int = 0,
) -> Pruner:
    """Return the pruner of that name; raises UnknownNameError with the known names."""
    if name == "known_costs":
        return KnownCostPruner(problem, delta=delta, audit_share=audit_share, seed=seed)
    if name == "none":
        return NoPruner()
    raise UnknownNameError("pruner", name, ("known_costs", "none"))
