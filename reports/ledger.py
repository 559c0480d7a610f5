"""What each stage of the chosen chain gave and took, from the teacher to the quantized file."""

from dataclasses import dataclass

from objectives.costs import Cost
from reports import words
from reports.summary import StudySummary
from spaces import LoRA, PlainTraining
from studies.records import Point, Student


@dataclass(frozen=True)
class LedgerLine:
    """The network as it stands after one stage."""

    stage: str
    how: str
    accuracy: float | None
    """On the validation split; None where this study has no such network."""
    cost: Cost
    """Of the file one would ship at this stage."""
    seconds: float | None
    """Training time of the stage itself, reused or not."""


def ledger(summary: StudySummary, point: Point) -> tuple[LedgerLine, ...]:
    """Return the stages of a point's chain in order; a teacher's baseline has only two."""
    teacher = summary.teacher
    lines = [
        LedgerLine(
            "teacher",
            words.network(teacher.architecture),
            teacher.accuracy,
            teacher.cost,
            teacher.seconds,
        )
    ]
    if point.chain is not None:
        lines += _student_lines(summary, point)
    lines.append(
        LedgerLine(
            "quantized",
            f"{words.scheme(point.scheme)}, run by {summary.costs.runtime}",
            point.accuracy,
            summary.cost(point),
            float(point.evaluation.get("seconds", 0.0)),
        )
    )
    return tuple(lines)


def _student_lines(summary: StudySummary, point: Point) -> list[LedgerLine]:
    chain = point.chain
    assert chain is not None
    cost = summary.costs.of(chain.student.architecture.key, "fp32")
    student = next((s for s in summary.history.students if s.key == point.student), None)
    lines = []
    plain = isinstance(chain.student.method, PlainTraining)
    if not plain:
        lines.append(_alone(summary, point, cost))
    if student is not None:
        trained = "trained" if plain else "distilled"
        accuracy, seconds = _after_distilling(student)
        how = f"{words.method(chain)}, {chain.student.schedule.epochs} epochs"
        lines.append(LedgerLine(trained, how, accuracy, cost, seconds))
        if isinstance(chain.student.adaptation, LoRA):
            epochs = chain.student.adaptation.schedule.epochs
            how = f"{words.adapter(chain)}, {epochs} epochs"
            seconds = _seconds(student, "adapt")
            lines.append(LedgerLine("adapted", how, student.accuracy, cost, seconds))
    return lines


def _alone(summary: StudySummary, point: Point, cost: Cost) -> LedgerLine:
    """Return the best student of this network that never saw the teacher, if one was trained."""
    assert point.chain is not None
    alone = [
        student
        for student in summary.history.students
        if isinstance(student.chain.student.method, PlainTraining)
        and student.chain.student.architecture == point.chain.student.architecture
    ]
    if not alone:
        how = "no student of this width was trained without the teacher"
        return LedgerLine("student alone", how, None, cost, None)
    best = max(alone, key=lambda student: student.accuracy)
    how = f"{words.adapter(best.chain)}, trial {best.number}: the best of {len(alone)}"
    return LedgerLine("student alone", how, best.accuracy, cost, _seconds(best))


def _after_distilling(student: Student) -> tuple[float | None, float]:
    epochs = student.chain.student.schedule.epochs
    accuracy = student.curve[epochs - 1][1] if len(student.curve) >= epochs else None
    return accuracy, _seconds(student, "distill")


def _seconds(student: Student, stage: str | None = None) -> float:
    return sum(
        float(record["seconds"])
        for record in student.stages
        if record["stage"] != "teacher" and stage in (None, record["stage"])
    )
