"""What to ship, in one sentence, and whether it is good enough."""

from dataclasses import dataclass

from reports import words
from reports.picking import knee_of
from reports.summary import StudySummary
from studies.records import Point

GOAL_ACCURACY = 0.9
"""Share of the teacher's accuracy to keep, as the thesis asks."""
GOAL_SMALLER = 0.75
"""Share of the teacher's bytes to save, as the thesis asks."""


@dataclass(frozen=True)
class Advice:
    """The opening of every report."""

    point: Point | None
    """What to ship; None while no point reaches the study's floor."""
    sentence: str
    """Plain words, no full stop: `ship trial 31: 0.6 points below the teacher, …`."""


@dataclass(frozen=True)
class Goal:
    """One thing asked of a compressed model, and how near the chosen point comes."""

    asked: str
    reached: str
    met: bool


def advise(summary: StudySummary) -> Advice:
    """Return the knee of the front above the study's accuracy floor, or why there is none."""
    points = summary.history.points
    if not points:
        return Advice(None, "nothing to ship yet: no trial is complete")
    chosen = knee_of(summary)
    if chosen is not None:
        return Advice(chosen, f"ship {name(chosen)}: {against_teacher(summary, chosen)}")
    best = max(points, key=lambda point: point.accuracy)
    return Advice(
        None,
        f"nothing to ship yet: no point reaches {words.percent(summary.floor)} accuracy "
        f"({summary.floor_share:.2g} of the teacher's); the closest is "
        f"{name(best)} with {words.percent(best.accuracy)}",
    )


def name(point: Point) -> str:
    """Call a point by its trial; a quantized teacher is called that."""
    if point.chain is None:
        return f"trial {point.number} (the teacher itself, {words.scheme(point.scheme)})"
    return f"trial {point.number}"


def against_teacher(summary: StudySummary, point: Point) -> str:
    """Say how a point differs from the teacher: `0.6 points below the teacher, 17 times …`."""
    cost = summary.cost(point)
    return ", ".join(
        [
            _accuracy_words(point.accuracy - summary.teacher.accuracy),
            _factor_words(summary.teacher.cost.size_bytes / cost.size_bytes, "smaller", "larger"),
            _factor_words(summary.teacher.cost.median_ms / cost.median_ms, "faster", "slower"),
        ]
    )


def goals(summary: StudySummary, point: Point) -> tuple[Goal, ...]:
    """Return the thesis's three goals for a compressed model, judged on the validation split."""
    cost, teacher = summary.cost(point), summary.teacher
    saved = 1 - cost.size_bytes / teacher.cost.size_bytes
    faster = teacher.cost.median_ms / cost.median_ms
    return (
        Goal(
            f"at least {100 * GOAL_ACCURACY:.0f} % of the teacher's accuracy",
            f"{words.percent(point.accuracy / teacher.accuracy)} of it"
            if teacher.accuracy
            else "it gets none right",
            point.accuracy >= GOAL_ACCURACY * teacher.accuracy,
        ),
        Goal(
            f"more than {100 * GOAL_SMALLER:.0f} % smaller",
            f"{words.percent(abs(saved))} {'smaller' if saved >= 0 else 'larger'}",
            saved > GOAL_SMALLER,
        ),
        Goal(
            "faster than the teacher",
            _factor_words(faster, "faster", "slower"),
            point.latency_ms < teacher.cost.latency_ms,
        ),
    )


def _accuracy_words(difference: float) -> str:
    points = round(abs(100 * difference), 1)
    if points == 0:
        return "as accurate as the teacher"
    return f"{points:g} points {'above' if difference > 0 else 'below'} the teacher"


def _factor_words(factor: float, more: str, less: str) -> str:
    word, ratio = (more, factor) if factor >= 1 else (less, 1 / factor)
    if ratio < 1.005:
        return f"no {more}"
    return f"{words.times(ratio)} times {word}"
