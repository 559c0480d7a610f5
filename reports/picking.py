"""How one point is picked from a study: by name, by number, within limits."""

import math
from collections.abc import Callable, Sequence

from objectives.fronts import knee, losses_of
from reports import words
from reports.summary import StudySummary
from spaces import InputError, UnknownNameError
from studies.records import Point

ORDERS: dict[str, Callable[[Point], tuple[float, ...]]] = {
    "accurate": lambda point: (-point.accuracy, point.size_bytes, point.latency_ms),
    "smallest": lambda point: (point.size_bytes, -point.accuracy, point.latency_ms),
    "fastest": lambda point: (point.latency_ms, -point.accuracy, point.size_bytes),
}
"""Picks by one objective; the others settle ties, and the earliest trial what is left."""

PICKS = ("knee", *ORDERS)


def pick(
    summary: StudySummary,
    choice: str,
    *,
    min_accuracy: float | None = None,
    max_size_bytes: float | None = None,
    max_latency_ms: float | None = None,
) -> Point:
    """Return the point that `choice` (one of PICKS, or a trial number) means within the limits.

    Names pick from the front, and keep to the study's bounds of size and latency unless a limit
    says otherwise. `knee`, `smallest` and `fastest` keep to its accuracy floor too, unless
    `min_accuracy` says otherwise: the smallest point of all is seldom one that works.
    Raises InputError saying what is possible when nothing fits.
    """
    number = _number(choice)
    if number is not None:
        candidates = [_by_number(summary, number)]
    elif choice in PICKS:
        candidates = [member.point for member in summary.front]
        bounds = summary.bounds
        if min_accuracy is None and choice != "accurate":
            min_accuracy = bounds.accuracy
        if max_size_bytes is None and math.isfinite(bounds.size_bytes):
            max_size_bytes = bounds.size_bytes
        if max_latency_ms is None and math.isfinite(bounds.latency_ms):
            max_latency_ms = bounds.latency_ms
    else:
        raise UnknownNameError("pick", choice, (*PICKS, "a trial number"))
    if not candidates:
        raise InputError(f"study {summary.name!r} has no complete trial to pick from yet")
    fitting = [
        point
        for point in candidates
        if (min_accuracy is None or point.accuracy >= min_accuracy)
        and (max_size_bytes is None or point.size_bytes <= max_size_bytes)
        and (max_latency_ms is None or point.latency_ms <= max_latency_ms)
    ]
    if not fitting:
        asked = limits(min_accuracy, max_size_bytes, max_latency_ms)
        raise InputError(f"no point to pick has {asked}: {_possible(candidates)}")
    if choice in ORDERS:
        return min(fitting, key=lambda point: (*ORDERS[choice](point), point.number))
    return _knee(fitting, summary.objectives)


def knee_of(summary: StudySummary) -> Point | None:
    """Return the knee among the front's points that are within the study's bounds, if any are."""
    fitting = [m.point for m in summary.front if summary.counts(m.point)]
    return _knee(fitting, summary.objectives) if fitting else None


def _knee(points: Sequence[Point], objectives: Sequence[str]) -> Point:
    """Return the knee; the uncompressed teacher, which one has, only if there is nothing else."""
    compressed = [p for p in points if p.chain is not None or p.scheme != "fp32"] or points
    return compressed[knee(losses_of(compressed, objectives))]


def _number(choice: str) -> int | None:
    try:
        return int(choice)
    except ValueError:  # A word, or more digits than Python reads.
        return None


def _by_number(summary: StudySummary, number: int) -> Point:
    if number in summary.points:
        return summary.points[number]
    complete = sorted(summary.points)
    known = (
        f"{complete[0]} to {complete[-1]}" if len(complete) > 12 else ", ".join(map(str, complete))
    )
    raise InputError(
        f"trial {number} of study {summary.name!r} is not complete: complete are {known or 'none'}"
    )


def limits(
    min_accuracy: float | None, max_size_bytes: float | None, max_latency_ms: float | None
) -> str:
    """Return limits in words; None is none."""
    said = []
    if min_accuracy is not None:
        said.append(f"accuracy of at least {words.percent(min_accuracy)}")
    if max_size_bytes is not None:
        said.append(f"at most {words.size(max_size_bytes)}")
    if max_latency_ms is not None:
        said.append(f"at most {words.milliseconds(max_latency_ms)}")
    return " and ".join(said)


def _possible(points: Sequence[Point]) -> str:
    """Say how far each objective reaches, which is what the limits can be moved to."""
    return (
        f"the best are {words.percent(max(p.accuracy for p in points))} accuracy, "
        f"{words.size(min(p.size_bytes for p in points))} and "
        f"{words.milliseconds(min(p.latency_ms for p in points))}, not all in one point"
        if len(points) > 1
        else f"trial {points[0].number} has {words.percent(points[0].accuracy)}, "
        f"{words.size(points[0].size_bytes)}, {words.milliseconds(points[0].latency_ms)}"
    )
