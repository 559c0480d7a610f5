"""The front drawn: three pairwise views, and all three objectives at once."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from reports import words
from reports.baselines import baselines
from reports.drawing import SCALES, axis_of, drawn, empty_figure
from reports.palette import LIGHT
from reports.rows import teacher_row, title_of
from reports.summary import StudySummary
from studies.records import Point

PAIRS = (("size_bytes", "accuracy"), ("latency_ms", "accuracy"), ("size_bytes", "latency_ms"))
"""The pairwise views: (x, y)."""


def front_pair(summary: StudySummary, x: str, y: str, chosen: Point | None) -> go.Figure:
    """Draw every point in two objectives, with the front, the teacher and the baselines marked.

    The thin line is what these two objectives alone would call the front; a member off it earns
    its place by the third.
    """
    figure = empty_figure()
    members = {number for member in summary.front for number in member.numbers}
    crowds: dict[tuple[float, float], list[Point]] = {}
    for point in summary.history.points:
        if point.number not in members:
            crowds.setdefault((drawn(x, point), drawn(y, point)), []).append(point)
    figure.add_scatter(
        x=[place[0] for place in crowds],
        y=[place[1] for place in crowds],
        mode="markers",
        name="beaten",
        marker={"color": LIGHT.other, "size": 5},
        customdata=[_crowd(points) for points in crowds.values()],
        hovertemplate="%{customdata}<extra></extra>",
    )
    stairs = _stairs(summary.history.points, x, y)
    figure.add_scatter(
        x=[drawn(x, point) for point in stairs],
        y=[drawn(y, point) for point in stairs],
        mode="lines",
        line={"color": LIGHT.front, "width": 1, "shape": "hv"},
        hoverinfo="skip",
        showlegend=False,
    )
    for name, points, marker in _marked(summary, chosen):
        figure.add_scatter(
            x=[drawn(x, point) for point in points],
            y=[drawn(y, point) for point in points],
            mode="markers",
            name=name,
            marker=marker,
            customdata=[_hover(summary, point) for point in points],
            hovertemplate="%{customdata}<extra></extra>",
        )
    figure.add_scatter(
        x=[_teacher(summary, x)],
        y=[_teacher(summary, y)],
        mode="markers",
        name="teacher",
        marker={"color": LIGHT.ink, "size": 12, "symbol": "diamond"},
        hovertemplate=f"{teacher_row(summary).title}<extra></extra>",
    )
    figure.update_xaxes(**axis_of(x, _values(summary, x)))
    figure.update_yaxes(**axis_of(y, _values(summary, y)))
    line = {"color": LIGHT.muted, "width": 1, "dash": "dot"}
    for axis, draw in ((x, figure.add_vline), (y, figure.add_hline)):
        bound = getattr(summary.bounds, axis)
        if math.isfinite(bound):
            draw(SCALES[axis] * bound, line=line)
    if y == "accuracy":
        figure.update_yaxes(range=_accuracy_range(summary))
    return figure


def front_space(summary: StudySummary, chosen: Point | None) -> go.Figure:
    """Draw the front in all three objectives, to be turned by hand.

    Each mark stands on a stem from the accuracy axis's bottom: without it nobody sees how deep
    in the box it lies.
    """
    figure = empty_figure()
    axes = ("size_bytes", "latency_ms", "accuracy")
    standing = [p for _, points, _ in _marked(summary, chosen) for p in points]
    bottom, top = _accuracy_range(summary)
    places = [tuple(drawn(name, point) for name in axes) for point in standing]
    places.append(tuple(_teacher(summary, name) for name in axes))
    figure.add_scatter3d(
        x=[value for x, _, _ in places for value in (x, x, None)],
        y=[value for _, y, _ in places for value in (y, y, None)],
        z=[value for _, _, z in places for value in (bottom, max(z, bottom), None)],
        mode="lines",
        line={"color": LIGHT.other, "width": 1.5},
        hoverinfo="skip",
        showlegend=False,
    )
    for name, points, marker in _marked(summary, chosen):
        x, y, z = ([drawn(axis, point) for point in points] for axis in axes)
        figure.add_scatter3d(
            x=x,
            y=y,
            z=z,
            mode="markers",
            name=name,
            marker=_solid(marker),
            customdata=[_hover(summary, point) for point in points],
            hovertemplate="%{customdata}<extra></extra>",
        )
    x, y, z = ([_teacher(summary, axis)] for axis in axes)
    figure.add_scatter3d(
        x=x,
        y=y,
        z=z,
        mode="markers",
        name="teacher",
        marker={"color": LIGHT.ink, "size": 6, "symbol": "diamond"},
        hovertemplate=f"{teacher_row(summary).title}<extra></extra>",
    )
    plain = {"gridcolor": LIGHT.line, "showbackground": False, "zeroline": False}
    figure.update_layout(
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        scene={
            "xaxis": _sparse(axis_of("size_bytes", _values(summary, "size_bytes"))) | plain,
            "yaxis": _sparse(axis_of("latency_ms", _values(summary, "latency_ms"))) | plain,
            "zaxis": {"title": {"text": "accuracy, %"}, "range": [bottom, top], **plain},
            "aspectmode": "cube",
            "camera": {"eye": {"x": 1.8, "y": -1.8, "z": 1.0}, "center": {"z": -0.15}},
        },
    )
    return figure


def _marked(
    summary: StudySummary, chosen: Point | None
) -> list[tuple[str, list[Point], dict[str, Any]]]:
    number = chosen.number if chosen else None
    front = [m.point for m in summary.front if m.point.number != number]
    simpler = [point for _, point in baselines(summary)]
    square = {"symbol": "square-open", "size": 13, "line": {"width": 2}}
    groups = (
        ("front", front, {"color": LIGHT.front, "size": 8}),
        ("baseline", simpler, {"color": LIGHT.baseline, **square}),
        ("to ship", [chosen] if chosen else [], {"color": LIGHT.chosen, "size": 15}),
    )
    return [
        (name, points, marker | ({"symbol": "star"} if name == "to ship" else {}))
        for name, points, marker in groups
        if points
    ]


def _solid(marker: Mapping[str, Any]) -> dict[str, Any]:
    """Return a marker for three dimensions, where sizes differ and there is no star."""
    symbol = marker.get("symbol", "circle")
    size = 0.5 * marker["size"]
    return {
        "color": marker["color"],
        "size": size,
        "symbol": "circle" if symbol == "star" else symbol,
    }


def _sparse(axis: dict[str, Any]) -> dict[str, Any]:
    """Return an axis with no more ticks than a turned box has room for."""
    values, texts = axis["tickvals"], axis["ticktext"]
    step = max(1, -(-len(values) // 4))
    return axis | {"tickvals": values[::step], "ticktext": texts[::step]}


def _stairs(points: Sequence[Point], x: str, y: str) -> list[Point]:
    """Return the points that are best in `x` and `y` alone, by ascending x."""
    sign = -1 if y == "accuracy" else 1
    stairs: list[Point] = []
    for point in sorted(points, key=lambda p: (drawn(x, p), sign * drawn(y, p))):
        if not stairs or sign * drawn(y, point) < sign * drawn(y, stairs[-1]):
            stairs.append(point)
    return stairs


def _accuracy_range(summary: StudySummary) -> list[float]:
    """Return the accuracy axis: what is far below the floor would flatten all that matters."""
    values = _values(summary, "accuracy")
    floor, top = 100 * summary.floor, max(values)
    bottom = max(min(*values, floor), floor - 0.6 * (top - floor))
    pad = 0.06 * (top - bottom)
    return [bottom - pad, top + pad]


def _values(summary: StudySummary, objective: str) -> list[float]:
    return [_teacher(summary, objective), *(drawn(objective, p) for p in summary.history.points)]


def _teacher(summary: StudySummary, objective: str) -> float:
    source = summary.teacher if objective == "accuracy" else summary.teacher.cost
    return drawn(objective, source)


def _crowd(points: Sequence[Point]) -> str:
    first = f"trial {points[0].number}, {words.scheme(points[0].scheme)}"
    return first if len(points) == 1 else f"{first}, and {len(points) - 1} more here"


def _hover(summary: StudySummary, point: Point) -> str:
    return (
        f"trial {point.number}: {words.scheme(point.scheme)}<br>{title_of(summary, point)}<br>"
        f"{words.percent(point.accuracy)}, {words.size(point.size_bytes)}, "
        f"{words.milliseconds(point.latency_ms)}"
    )
