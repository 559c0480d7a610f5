"""The figures of how a search went: hypervolume, learning curves, importances."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from reports.drawing import empty_figure
from reports.hypervolumes import Growth
from reports.palette import LIGHT
from reports.summary import StudySummary
from studies.records import Paused, Point, Stopped, Student

MOST_CURVES = 300
"""Curves drawn of each kind; of more, the latest."""


def hypervolume_steps(steps: Sequence[Growth], end: float, over: str) -> go.Figure:
    """Draw the hypervolume over `ended` (sampled trials) or `minutes`, up to `end` of that axis."""
    at = [step.ended if over == "ended" else step.seconds / 60 for step in steps]
    values = [step.hypervolume for step in steps]
    figure = empty_figure()
    figure.add_scatter(
        x=[*at, end] if steps else [],
        y=[*values, values[-1]] if steps else [],
        mode="lines",
        line={"color": LIGHT.front, "width": 2, "shape": "hv"},
        name="hypervolume",
        hovertemplate="%{y:.4f}<extra></extra>",
    )
    title = "sampled trials that ended" if over == "ended" else "minutes since the first record"
    figure.update_xaxes(title={"text": title}, rangemode="tozero")
    figure.update_yaxes(title={"text": "hypervolume"}, rangemode="tozero")
    return figure


def learning_curves(summary: StudySummary, chosen: Point | None) -> go.Figure:
    """Draw the float network's validation accuracy over progress, students by how they ended."""
    history = summary.history
    key = chosen.student if chosen else None
    students = [student for student in history.students if student.key != key]
    audited = [student for student in students if student.audited]
    figure = empty_figure()
    _add_curves(
        figure,
        "to the end",
        [student for student in students if not student.audited],
        {"color": LIGHT.other, "width": 1},
    )
    stopped, paused = history.ruled_out, history.waiting
    _add_curves(figure, "stopped", stopped, {"color": LIGHT.stopped, "width": 1.5})
    _add_curves(figure, "paused", paused, {"color": LIGHT.paused, "width": 1.5, "dash": "dot"})
    _add_curves(figure, "audited", audited, {"color": LIGHT.audited, "width": 1.5, "dash": "dash"})
    _add_curves(
        figure,
        "to ship",
        [student for student in history.students if student.key == key],
        {"color": LIGHT.chosen, "width": 3},
    )
    _add_ends(figure, "stopped", stopped, {"color": LIGHT.stopped, "size": 7, "symbol": "x"})
    _add_ends(
        figure, "paused", paused, {"color": LIGHT.paused, "size": 7, "symbol": "line-ns-open"}
    )
    figure.update_xaxes(title={"text": "share of the student's epochs, %"}, range=[0, 101])
    figure.update_yaxes(title={"text": "validation accuracy, %"})
    return figure


def importance_bars(shares: Mapping[str, float]) -> go.Figure:
    """Draw one objective's importances, by the settings' titles, the largest on top."""
    names = list(shares)[::-1]
    figure = empty_figure()
    figure.add_bar(
        x=[100 * shares[name] for name in names],
        y=names,
        orientation="h",
        marker={"color": LIGHT.front},
        text=[f"{100 * shares[name]:.0f}" for name in names],
        textposition="outside",
        cliponaxis=False,
        hoverinfo="skip",
    )
    figure.update_layout(bargap=0.35)
    figure.update_xaxes(title={"text": "share of the variance, %"}, range=[0, 108])
    # Room for ten throughout: two settings' bars would be as thick as beams.
    figure.update_yaxes(showgrid=False, range=[len(names) - 10.5, len(names) - 0.5])
    return figure


def _add_ends(
    figure: go.Figure, how: str, curves: Sequence[Stopped | Paused], marker: dict[str, Any]
) -> None:
    """Mark where curves end before their students were trained."""
    ends = [one for one in curves[-MOST_CURVES:] if one.curve]
    figure.add_scatter(
        x=[100 * one.curve[-1][0] for one in ends],
        y=[100 * one.curve[-1][1] for one in ends],
        mode="markers",
        marker=marker,
        customdata=[one.number for one in ends],
        hovertemplate=f"trial %{{customdata}} {how}: %{{y:.1f}} %<extra></extra>",
        showlegend=False,
    )


def _add_curves(
    figure: go.Figure, name: str, curves: Sequence[Student | Stopped | Paused], line: dict[str, Any]
) -> None:
    """Add the latest MOST_CURVES as one line with gaps: thousands of traces would be slow."""
    x: list[float | None] = []
    y: list[float | None] = []
    trials: list[int | None] = []
    for one in curves[-MOST_CURVES:]:
        x += [*(100 * progress for progress, _ in one.curve), None]
        y += [*(100 * accuracy for _, accuracy in one.curve), None]
        trials += [*([one.number] * len(one.curve)), None]
    if x:
        figure.add_scatter(
            x=x,
            y=y,
            mode="lines",
            line=line,
            name=name,
            customdata=trials,
            hovertemplate="trial %{customdata}: %{y:.1f} %<extra></extra>",
        )
