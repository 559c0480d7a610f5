"""What each stage of the chosen chain gave and took, from the teacher to the quantized file."""

from dataclasses import dataclass

from objectives import Cost
from reports import words
from reports.summary import StudySummary
from studies.records import Point, Student


@dataclass(frozen=True)
class StageLine:
    """The network as it stands after one stage."""

    stage: str
    how: str
    accuracy: float | None
    """On the validation split; None where this study has no such network."""
    cost: Cost
    """Of the file one would ship at this stage."""
    seconds: float | None
    """Training time of the stage itself, reused or not."""


def stage_breakdown(summary: StudySummary, point: Point) -> tuple[StageLine, ...]:
    """Return the stages of a point's chain in order; a teacher's baseline has only two."""
    teacher = summary.teacher
    lines = [
        StageLine(
            "teacher",
            summary.network_in_words(teacher.network),
            teacher.accuracy,
            teacher.cost,
            teacher.seconds,
        )
    ]
    if point.chain is not None:
        lines += _student_lines(summary, point)
    lines.append(
        StageLine(
            "quantized",
            f"{words.scheme(point.scheme)}, run by {summary.costs.runtime}",
            point.accuracy,
            summary.cost(point),
            point.evaluation.seconds,
        )
    )
    return tuple(lines)


def _student_lines(summary: StudySummary, point: Point) -> list[StageLine]:
    chain = point.chain
    assert chain is not None
    costs = [summary.costs.of(network, "fp32") for network in chain.student.trained_as]
    student = next((s for s in summary.history.students if s.key == point.student), None)
    lines = []
    if chain.student.needs_teacher:
        lines.append(_alone(summary, point, costs[-1]))
    done = 0
    for stage, cost in zip(
        chain.student.stages if student is not None else (), costs, strict=False
    ):
        done += stage.epochs
        assert student is not None
        accuracy = student.curve[done - 1][1] if len(student.curve) >= done else None
        how = f"{stage.in_words}, {words.counted(stage.epochs, 'epoch')}"
        lines.append(StageLine(stage.became, how, accuracy, cost, _seconds(student, stage.kind)))
    return lines


def _alone(summary: StudySummary, point: Point, cost: Cost) -> StageLine:
    """Return the best student of this network that never saw the teacher, if one was trained."""
    assert point.chain is not None
    network = point.chain.student.deployed
    alone = [
        student
        for student in summary.history.students
        if not student.chain.student.needs_teacher and student.chain.student.deployed == network
    ]
    if not alone:
        how = f"no {summary.network_in_words(network.key)} was trained without the teacher"
        return StageLine("student alone", how, None, cost, None)
    best = max(alone, key=lambda student: student.accuracy)
    after = words.stages(best.chain.student, summary.space.order_of(best.chain.student))[1:]
    how = ", ".join([*after, f"trial {best.number}: the best of {len(alone)}"])
    return StageLine("student alone", how, best.accuracy, cost, _seconds(best))


def _seconds(student: Student, stage: str | None = None) -> float:
    return sum(
        record.seconds
        for record in student.stages
        if record.stage != "teacher" and stage in (None, record.stage)
    )
