"""What a chosen point must be better than: simpler ways to the same end."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from reports.summary import StudySummary
from spaces import STAGES, StudentConfig
from studies.records import Point


def baselines(summary: StudySummary) -> tuple[tuple[str, Point], ...]:
    """Return (words, point): the quantized teacher, and the best students a step was left out of.

    Among the students it is the one with the best accuracy, whatever its size: a study that never
    tried leaving the step out has no such baseline. The teacher's fp32 file is the teacher.
    """
    points = summary.history.points
    found = [
        (point.baseline, point)
        for point in points
        if point.baseline and point is not summary.teacher_point
    ]
    for words, fits in _simpler(summary.space.stages):
        fitting = [point for point in points if point.chain and fits(point.chain.student)]
        if fitting:
            found.append((words, max(fitting, key=lambda p: (p.accuracy, -p.size_bytes))))
    once: dict[int, str] = {}
    for words, point in found:
        once.setdefault(point.number, words)
    return tuple((words, summary.points[number]) for number, words in once.items())


def _simpler(kinds: Sequence[str]) -> Iterator[tuple[str, Callable[[StudentConfig], bool]]]:
    """Yield, in words, what students of a chain of these kinds leave out, and who does."""
    yield "best student without the teacher", lambda student: not student.needs_teacher
    for count in range(1, len(kinds)):
        done, left_out = STAGES[kinds[count - 1]].done, STAGES[kinds[count]].done
        yield f"best student {done}, not {left_out}", partial(_is_prefix, kinds[:count])


def _is_prefix(kinds: Sequence[str], student: StudentConfig) -> bool:
    own = tuple(stage.kind for stage in student.stages)
    return own == tuple(kinds) and student.needs_teacher
