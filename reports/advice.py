"""What to ship, in one sentence, and whether it is good enough."""

import math
from dataclasses import dataclass

from reports import words
from reports.picking import knee_of, limits
from reports.summary import StudySummary
from studies.records import Point


@dataclass(frozen=True)
class Advice:
    """The opening of every report."""

    point: Point | None
    """What to ship; None while no point is within the study's bounds."""
    sentence: str
    """Plain words, no full stop: `ship trial 31: 0.6 points below the teacher, …`."""


@dataclass(frozen=True)
class Goal:
    """One bound of the study, and how near the chosen point comes."""

    objective: str
    """What it bounds."""
    asked: str
    reached: str
    met: bool


def advise(summary: StudySummary) -> Advice:
    """Return the knee of the front within the study's bounds, or why there is none."""
    points = summary.history.points
    if not points:
        return Advice(None, "nothing to ship yet: no trial is complete")
    chosen = knee_of(summary)
    if chosen is not None:
        return Advice(chosen, f"ship {name(chosen)}: {against_teacher(summary, chosen)}")
    best = max(points, key=lambda point: point.accuracy)
    bounds = summary.bounds
    if math.isfinite(bounds.size_bytes) or math.isfinite(bounds.latency_ms):
        return Advice(
            None,
            f"nothing to ship yet: no point has {bounds_in_words(summary)}; the most "
            f"accurate is {name(best)} with {words.percent(best.accuracy)}, "
            f"{words.size(best.size_bytes)} and {words.milliseconds(best.latency_ms)}",
        )
    return Advice(
        None,
        f"nothing to ship yet: no point reaches {words.percent(summary.floor)} accuracy "
        f"({summary.bounds_table.accuracy_of_teacher:.2g} of the teacher's); the closest is "
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


def bounds_in_words(summary: StudySummary) -> str:
    """Return what a point keeps to: `accuracy of at least 89.0 % and at most 1.00 MB`."""
    bounds = summary.bounds
    size, latency = (
        value if math.isfinite(value) else None for value in (bounds.size_bytes, bounds.latency_ms)
    )
    return limits(bounds.accuracy, size, latency)


def goals(summary: StudySummary, point: Point) -> tuple[Goal, ...]:
    """Return the bounds that the study has set, judged on the validation split."""
    cost, teacher, table = summary.cost(point), summary.teacher, summary.bounds_table
    shares = {
        "accuracy": point.accuracy / teacher.accuracy if teacher.accuracy else 0.0,
        "size_bytes": cost.size_bytes / teacher.cost.size_bytes,
        "latency_ms": point.latency_ms / teacher.cost.latency_ms,
    }
    size, latency = words.size(cost.size_bytes), words.milliseconds(point.latency_ms)
    found = [
        Goal(
            "accuracy",
            f"at least {_share(table.accuracy_of_teacher)} of the teacher's accuracy",
            f"{words.percent(shares['accuracy'])} of it"
            if teacher.accuracy
            else "it gets none right",
            point.accuracy >= summary.floor,
        )
    ]
    for objective, share, noun in (
        ("size_bytes", table.size_of_teacher, "size"),
        ("latency_ms", table.latency_of_teacher, "latency"),
    ):
        if share is not None:
            asked = f"at most {_share(share)} of the teacher's {noun}"
            reached = f"{words.percent(shares[objective])} of it"
            found.append(Goal(objective, asked, reached, shares[objective] <= share))
    if table.size_mb is not None:
        most = table.size_mb * 1e6
        asked = f"at most {words.size(most)}"
        found.append(Goal("size_bytes", asked, size, cost.size_bytes <= most))
    if table.latency_ms is not None:
        asked = f"at most {words.milliseconds(table.latency_ms)}"
        found.append(Goal("latency_ms", asked, latency, point.latency_ms <= table.latency_ms))
    return tuple(found)


def _share(value: float) -> str:
    return f"{100 * value:g} %"


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
