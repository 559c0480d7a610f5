"""What the front gets right of each class, the worst classes first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.advice import advise
from reports.summary import StudySummary

_MOST_MEMBERS, _MOST_CLASSES = 12, 20
"""Of the front, and classes, that a page shows."""


@dataclass(frozen=True)
class ClassLine:
    """One class, and what each artifact gets right of its validation images."""

    name: str
    images: int
    shares: tuple[float | None, ...]
    """None where the class has no image."""


@dataclass(frozen=True)
class ClassAccuracy:
    """Accuracy by class: of the teacher's fp32 file, where that was scored, and of the front."""

    who: tuple[str, ...]
    """Names of the columns."""
    chosen: int | None
    """Index of the point to ship among the columns; its worst classes come first."""
    lines: tuple[ClassLine, ...]
    left_out: tuple[ClassLine, ...]
    members_left_out: int

    @property
    def best_left_out(self) -> tuple[float, float]:
        """Least and largest accuracy among the classes left out, of what they are ordered by."""
        shares = [_key(line, self.chosen) for line in self.left_out]
        return min(shares), max(shares)


def class_accuracy(summary: StudySummary) -> ClassAccuracy | None:
    """Return the accuracies by class, worst first; None of an empty front.

    The order is by the point to ship, or by the mean of the columns where there is none.
    """
    best = advise(summary).point
    members = [member.point for member in summary.front]
    if not members:
        return None
    # To be seen on a small screen too: the teacher, the point to ship, then the others.
    shown = sorted(members, key=lambda p: best is None or p.number != best.number)[:_MOST_MEMBERS]
    teacher = summary.teacher_point
    columns = ([] if teacher is None else [teacher]) + [p for p in shown if p is not teacher]
    counts = [np.array(point.evaluation.confusion) for point in columns]
    images = counts[0].sum(1)
    shares = [_shares(each) for each in counts]
    chosen = next((at for at, p in enumerate(columns) if best and p.number == best.number), None)
    lines = [
        ClassLine(summary.class_name(number), int(images[number]), tuple(each))
        for number, each in enumerate(zip(*shares, strict=True))
    ]
    lines = sorted(lines, key=lambda line: _key(line, chosen))
    return ClassAccuracy(
        tuple("teacher" if point is teacher else str(point.number) for point in columns),
        chosen,
        tuple(lines[:_MOST_CLASSES]),
        tuple(lines[_MOST_CLASSES:]),
        len(members) - len(shown),
    )


def class_accuracy_json(summary: StudySummary) -> dict[str, Any]:
    """Return the accuracies by class of the teacher's fp32 file and of the front, as plain JSON."""
    points = [member.point for member in summary.front]
    if summary.teacher_point is not None:
        points = [summary.teacher_point, *points]
    of = {str(p.number): _shares(np.array(p.evaluation.confusion)) for p in points}
    classes = len(points[0].evaluation.confusion) if points else 0
    return {"classes": [summary.class_name(number) for number in range(classes)], "trials": of}


def _shares(counts: NDArray[np.int64]) -> Sequence[float | None]:
    return [
        float(right) / int(of) if of else None
        for right, of in zip(counts.diagonal(), counts.sum(1), strict=True)
    ]


def _key(line: ClassLine, chosen: int | None) -> float:
    """Return what a class is ordered by; one without images comes last."""
    shares = [share for share in line.shares if share is not None]
    if not shares:
        return 2.0
    return sum(shares) / len(shares) if chosen is None else shares[chosen]
