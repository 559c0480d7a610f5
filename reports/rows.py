"""A point as one line of numbers: what the tables, the CSV and the JSON all show."""

from dataclasses import dataclass

from objectives import Evaluation
from objectives.costs import Cost
from reports import words
from reports.baselines import baselines
from reports.intervals import wilson
from reports.summary import StudySummary
from studies.records import Point


@dataclass(frozen=True)
class Row:
    """One artifact's numbers; the teacher's row has no trial."""

    trial: int | None
    also: tuple[int, ...]
    """Other trials with exactly the same objectives."""
    origin: str
    """sampled, offered, baseline or teacher."""
    title: str
    """What it is, in words: a baseline's name or the student's settings."""
    scheme: str
    accuracy: float
    """Share of validation images the artifact gets right (the teacher: its float network)."""
    images: int | None
    """Validation images; None while no point tells how many there are."""
    accuracy_low: float | None
    """Wilson's 95 % interval of `accuracy`."""
    accuracy_high: float | None
    counts: bool
    """Whether it is worth anything to the study: within its bounds. The teacher is."""
    front_probability: float | None
    """That its recipe is on the front, its seed's noise averaged out; None for the teacher."""
    test_accuracy: float | None
    f1: float | None
    """Macro average on the validation split."""
    kl_to_teacher: float | None
    """Mean KL(teacher || artifact) on the validation split, in nats."""
    mutual_information: float | None
    """Between the predictions of teacher and artifact there, in bits; None where not recorded."""
    calibration_error: float | None
    """Expected calibration error there, in [0, 1]; None where not recorded."""
    size_bytes: int
    compressed_bytes: int | None
    """What gzip makes of the file, of a student whose weights were pruned; else None."""
    compression: float
    """The teacher's fp32 bytes over these."""
    median_ms: float
    p95_ms: float
    speed_up: float
    """The teacher's fp32 median over this one's."""
    flops: int
    """Multiply-adds of one image."""
    parameters: int


def row_of(summary: StudySummary, point: Point, also: tuple[int, ...] = (), title: str = "") -> Row:
    """Return a point's row; its title is what it is, unless given."""
    test = summary.test_score(point.number)
    return _row(
        summary,
        trial=point.number,
        also=also,
        origin=point.origin,
        title=title or title_of(summary, point),
        accuracy=point.accuracy,
        images=point.evaluation.images,
        counts=summary.counts(point),
        front_probability=summary.front_probability[point.number],
        test_accuracy=float(test["accuracy"]) if test else None,
        evaluation=point.evaluation,
        scheme=point.scheme,
        cost=summary.cost(point),
    )


def teacher_row(summary: StudySummary) -> Row:
    """Return the teacher's row: its accuracy in floats, its fp32 artifact's costs."""
    teacher, scored = summary.teacher, summary.teacher_point
    test = summary.test_score("teacher")
    return _row(
        summary,
        trial=None,
        also=(),
        origin="teacher",
        title=f"teacher, {summary.network_in_words(teacher.network)}",
        accuracy=teacher.accuracy,
        images=summary.images,
        counts=True,
        front_probability=None,
        test_accuracy=float(test["accuracy"]) if test else None,
        evaluation=scored.evaluation if scored else None,
        scheme="fp32",
        cost=teacher.cost,
    )


def _row(
    summary: StudySummary,
    *,
    trial: int | None,
    also: tuple[int, ...],
    origin: str,
    title: str,
    accuracy: float,
    images: int | None,
    counts: bool,
    front_probability: float | None,
    test_accuracy: float | None,
    evaluation: Evaluation | None,
    scheme: str,
    cost: Cost,
) -> Row:
    worth = summary.images or 0
    low, high = wilson(accuracy * worth, worth) if images else (None, None)
    teacher = summary.teacher.cost
    return Row(
        trial=trial,
        also=also,
        origin=origin,
        title=title,
        scheme=scheme,
        accuracy=accuracy,
        images=images,
        accuracy_low=low,
        accuracy_high=high,
        counts=counts,
        front_probability=front_probability,
        test_accuracy=test_accuracy,
        f1=evaluation.f1 if evaluation else None,
        kl_to_teacher=evaluation.kl_to_teacher if evaluation else None,
        mutual_information=evaluation.mutual_information if evaluation else None,
        calibration_error=evaluation.calibration_error if evaluation else None,
        size_bytes=cost.size_bytes,
        compressed_bytes=evaluation.compressed_bytes if evaluation else None,
        compression=teacher.size_bytes / cost.size_bytes,
        median_ms=cost.median_ms,
        p95_ms=cost.p95_ms,
        speed_up=teacher.median_ms / cost.median_ms,
        flops=cost.flops,
        parameters=cost.parameters,
    )


def title_of(summary: StudySummary, point: Point) -> str:
    """Say what a point is: its student's settings, or which baseline."""
    if point.chain is not None:
        return words.student(point.chain, summary.space)
    return point.baseline or "the teacher itself"


def front_rows(summary: StudySummary) -> tuple[Row, ...]:
    """Return the rows of the front, smallest first."""
    return tuple(row_of(summary, member.point, member.equals) for member in summary.front)


def baseline_rows(summary: StudySummary) -> tuple[Row, ...]:
    """Return the rows of the baselines; a student's baseline says its network and settings too."""
    return tuple(
        row_of(summary, point, title=_baseline_title(summary, role, point))
        for role, point in baselines(summary)
    )


def _baseline_title(summary: StudySummary, role: str, point: Point) -> str:
    """Say which baseline a point is; the network first, since several differ by that alone."""
    if point.chain is None:
        return role
    student = point.chain.student
    network = summary.network_in_words(student.network.key)
    return f"{network}, {role}: {', '.join(words.stages(student, summary.space.order_of(student)))}"
