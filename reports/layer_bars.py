"""The figures of a point's file layer by layer: time, bytes, and what rounding loses."""

import plotly.graph_objects as go

from objectives import BeforeAfter, LayersOfPoint
from reports import words
from reports.drawing import empty_figure
from reports.palette import LIGHT

BETWEEN, GRAPH, TENSORS = "between kernels", "graph and names", "other tensors"
"""What belongs to no layer, in words."""


def layer_bars(found: LayersOfPoint) -> dict[str, go.Figure]:
    """Return the figures by the ids of their places in the page."""
    times = {each.name: each.us for each in found.layers}
    times |= {each.name: each.us for each in found.others}
    times[BETWEEN] = found.between_us
    sizes = {each.name: each.bytes for each in found.layers}
    sizes |= {TENSORS: found.other_bytes, GRAPH: found.graph_bytes}
    shown = {name: BeforeAfter(b.before / 1e3, b.after / 1e3) for name, b in sizes.items()}
    figures = {
        "layers-time": _pairs(found, times, "µs an image"),
        "layers-bytes": _pairs(found, shown, "kB"),
    }
    losses = {each.name: each.loss.kl_nats for each in found.layers if each.loss is not None}
    if losses:
        figure = empty_figure()
        figure.add_bar(
            x=list(losses),
            y=list(losses.values()),
            marker={"color": LIGHT.stopped},
            hovertemplate="%{x}: %{y:.2g} nats<extra></extra>",
        )
        title = {"text": "KL, nats an image"}
        figure.update_yaxes(title=title, rangemode="tozero", exponentformat="power")
        figures["layers-loss"] = _slanted(figure, len(losses))
    return figures


def _pairs(found: LayersOfPoint, parts: dict[str, BeforeAfter], unit: str) -> go.Figure:
    figure = empty_figure()
    for name, which, colour in (
        ("fp32", "before", LIGHT.other),
        (words.scheme(found.scheme), "after", LIGHT.front),
    ):
        figure.add_bar(
            x=list(parts),
            y=[getattr(part, which) for part in parts.values()],
            name=name,
            marker={"color": colour},
            hovertemplate=f"%{{x}}, {name}: %{{y:.3g}} {unit}<extra></extra>",
        )
    figure.update_layout(barmode="group", bargap=0.25, bargroupgap=0)
    figure.update_yaxes(title={"text": unit}, rangemode="tozero")
    return _slanted(figure, len(parts))


def _slanted(figure: go.Figure, bars: int) -> go.Figure:
    """Name every bar where they are few; of many Plotly names some."""
    figure.update_xaxes(tickangle=-50, tickfont={"size": 10}, showgrid=False)
    if bars <= 40:
        figure.update_xaxes(dtick=1)
    return figure
