"""What a chosen point must be better than: simpler ways to the same end."""

from collections.abc import Callable, Sequence

from reports.summary import StudySummary
from spaces import ChainConfig, NoAdapter, PlainTraining
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
    simpler: Sequence[tuple[str, Callable[[ChainConfig], bool]]] = (
        ("best student without the teacher", _alone),
        ("best distilled student without an adapter", _not_adapted),
    )
    for words, fits in simpler:
        fitting = [point for point in points if point.chain is not None and fits(point.chain)]
        if fitting:
            found.append((words, max(fitting, key=lambda p: (p.accuracy, -p.size_bytes))))
    once: dict[int, str] = {}
    for words, point in found:
        once.setdefault(point.number, words)
    return tuple((words, summary.points[number]) for number, words in once.items())


def _alone(chain: ChainConfig) -> bool:
    return isinstance(chain.student.method, PlainTraining)


def _not_adapted(chain: ChainConfig) -> bool:
    return isinstance(chain.student.adaptation, NoAdapter) and not _alone(chain)
