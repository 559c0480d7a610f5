"""What stopping, the stage cache and offers saved, in seconds of training."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from objectives import StageRecord
from studies.records import History, Paused, Stopped, Student


@dataclass(frozen=True)
class Savings:
    """Seconds on the machine that trained; what was saved is what was not spent."""

    trained_s: float
    """Training that took place, of every student, stopped ones too."""
    reused_s: float
    """Training that the stage cache made unnecessary."""
    stopped: int
    stopping_s: float
    """What the stopped students' remaining epochs would have taken at their own pace."""
    paused: int
    """Students that were paused and nobody resumed."""
    pausing_s: float
    """What their remaining epochs would have taken at their own pace."""
    audited: int
    audit_s: float
    """What letting the audited students run on has cost, at their own pace."""
    offered: int
    offers_s: float
    """What the offered points would have taken, had each been trained for."""
    offering_s: float
    """What evaluating the offered points took instead."""


def savings(history: History) -> Savings:
    """Return what a study's trials say they spent and saved."""
    everyone: list[Student | Stopped | Paused] = [*history.students, *history.pruned]
    everyone.sort(key=_number)
    trained = sum(_full_s(one.stages) - _reused_s(one.stages) for one in everyone)
    # A trial that resumes another reuses what that one paid for: a student counts once.
    latest = {one.key: one for one in everyone}
    stopped = history.ruled_out
    paused = [one for one in latest.values() if isinstance(one, Paused)]
    audited = [student for student in history.students if student.audited]
    offers = [point for point in history.points if point.origin == "offered"]
    by_student = {student.key: _full_s(student.stages) for student in history.students}
    typical = fmean(by_student.values()) if by_student else 0.0
    return Savings(
        trained_s=trained,
        reused_s=max(0.0, sum(_full_s(one.stages) for one in latest.values()) - trained),
        stopped=len(stopped),
        stopping_s=sum(map(_left_s, stopped)),
        paused=len(paused),
        pausing_s=sum(map(_left_s, paused)),
        audited=len(audited),
        audit_s=sum(
            _full_s(student.stages) * (1 - (student.audited.progress if student.audited else 1.0))
            for student in audited
        ),
        offered=len(offers),
        offers_s=sum(by_student.get(point.student, typical) for point in offers),
        offering_s=sum(point.evaluation.seconds for point in offers),
    )


def _full_s(stages: Iterable[StageRecord]) -> float:
    return sum(record.seconds for record in stages if record.stage != "teacher")


def _reused_s(stages: Iterable[StageRecord]) -> float:
    return sum(record.seconds_reused for record in stages if record.stage != "teacher")


def _left_s(stopped: Stopped | Paused) -> float:
    """Seconds from where it was left to its end, at the pace that led there."""
    progress = stopped.curve[-1][0] if stopped.curve else 0.0
    return _full_s(stopped.stages) * (1 - progress) / progress if progress > 0 else 0.0


def _number(one: Student | Stopped | Paused) -> int:
    return one.number
