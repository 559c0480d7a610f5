"""What all figures share: the look, and axes that can be read."""

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from reports.palette import LIGHT

AXIS_TITLES = {
    "accuracy": "accuracy, %",
    "size_bytes": "size, MB",
    "latency_ms": "latency, ms",
}
SCALES = {"accuracy": 100.0, "size_bytes": 1e-6, "latency_ms": 1.0}


def drawn(objective: str, outcome: Any) -> float:
    """Return an outcome's objective in the unit of its axis."""
    return SCALES[objective] * float(getattr(outcome, objective))


def empty_figure() -> go.Figure:
    """Return a figure with nothing in it, in the light palette, to be put on any ground."""
    figure = go.Figure()
    figure.update_layout(
        template="none",
        font={"color": LIGHT.ink, "size": 13, "family": "system-ui, sans-serif"},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 8, "r": 12, "t": 8, "b": 8},
        hoverlabel={
            "bgcolor": LIGHT.surface,
            "bordercolor": LIGHT.line,
            "font": {"color": LIGHT.ink},
            "align": "left",
        },
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    axis = {
        "automargin": True,
        "gridcolor": LIGHT.line,
        "linecolor": LIGHT.line,
        "zeroline": False,
        "title": {"font": {"size": 13}, "standoff": 8},
    }
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure


def axis_of(objective: str, values: Sequence[float]) -> dict[str, Any]:
    """Return an objective's axis over `values` (in the axis's unit).

    Sizes and latencies are drawn by their logarithm, because they are compared by factors, with
    every tick written out: Plotly's own show `2` for 0.2 and for 20 alike.
    """
    axis: dict[str, Any] = {"title": {"text": AXIS_TITLES[objective]}}
    if objective == "accuracy":
        return axis
    low, high = min(values) / 1.25, max(values) * 1.25
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
    ticks = [tick for tick in ticks if low <= tick <= high]
    return axis | {
        "type": "log",
        "range": [math.log10(low), math.log10(high)],
        "tickvals": ticks,
        "ticktext": [f"{tick:g}" for tick in ticks],
    }
