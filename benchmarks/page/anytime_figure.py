"""Anytime curves as an SVG made by hand: it reads on a light page and on a dark one."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from reports import DARK, LIGHT

WIDTH, LEFT, RIGHT, TOP, HEIGHT, GAP = 960, 60, 270, 84, 280, 104
"""Pixels: the figure's width, the margins beside a panel, above the first, its height, between."""

LABEL_PX = 17.0
"""Least distance between two labels at line ends."""

LEAST_MISSING = 0.005
"""Share of the hypervolume whose lack the axis still shows: it is drawn by the logarithm of what is
missing, because searches end at 99 % and differ in how soon they leave 90 %."""

SHARES = (0.0, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99)
"""Where the axis has its ticks."""

COLOURS = ("front", "stopped", "baseline", "audited", "good", "other")
"""Roles of reports.palette for the lines that are neither ours, random nor the oracle's."""


@dataclass(frozen=True)
class Curve:
    """One line of a panel."""

    name: str
    role: str
    """Of reports.palette: its colour on a light and on a dark page."""
    compute_s: NDArray[np.float64]
    """[values], rising."""
    median: NDArray[np.float64]
    """[values], shares of the true hypervolume."""
    quartiles: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    """[values] each: the band around it."""
    width: float = 1.8
    dash: str = ""


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    title: str
    curves: tuple[Curve, ...]


def anytime_svg(title: str, panels: Sequence[Panel], low_s: float, high_s: float) -> str:
    """Return the figure; its axes of compute go from `low_s` to `high_s` by the logarithm."""
    plot = _Plot(low_s, high_s)
    drawn = [
        {
            "title": panel.title,
            "top": TOP + index * (HEIGHT + GAP),
            "curves": [plot.drawn(curve) for curve in panel.curves],
            "labels": plot.labels(panel.curves),
        }
        for index, panel in enumerate(panels)
    ]
    environment = Environment(
        loader=PackageLoader("benchmarks.page"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["path"] = _path
    return environment.get_template("anytime.svg.j2").render(
        title=title,
        panels=drawn,
        ticks=[(plot.x(tick), f"{tick:,g}") for tick in plot.ticks()],
        shares=[(plot.y(share), f"{100 * share:g}") for share in SHARES],
        light=asdict(LIGHT),
        dark=asdict(DARK),
        width=WIDTH,
        left=LEFT,
        span=plot.span,
        panel_height=HEIGHT,
        height=TOP + len(panels) * (HEIGHT + GAP) - GAP + 56,
    )


class _Plot:
    """Where a panel's values lie, in pixels from its top left corner."""

    span = WIDTH - LEFT - RIGHT

    def __init__(self, low_s: float, high_s: float) -> None:
        self._low, self._high = math.log(low_s), math.log(high_s)

    def x(self, compute_s: float) -> float:
        return self.span * (math.log(compute_s) - self._low) / (self._high - self._low)

    def y(self, share: float) -> float:
        return HEIGHT * (1 - math.log(max(1 - share, LEAST_MISSING)) / math.log(LEAST_MISSING))

    def ticks(self) -> list[float]:
        low, high = math.exp(self._low), math.exp(self._high)
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [digit * 10.0**decade for decade in decades for digit in (1, 3)]
        return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]

    def drawn(self, curve: Curve) -> dict[str, object]:
        """Return a curve's lines: steps, because a hypervolume grows by points."""
        band = ""
        if curve.quartiles is not None and len(curve.median):
            low, high = (self._steps(curve.compute_s, edge) for edge in curve.quartiles)
            band = _path([*low, *reversed(high)]) + "Z"
        line = _path(self._steps(curve.compute_s, curve.median))
        return {
            "role": curve.role,
            "line": line,
            "band": band,
            "width": curve.width,
            "dash": curve.dash,
        }

    def labels(self, curves: Sequence[Curve]) -> list[dict[str, object]]:
        """Return each line's name beside its end, moved apart where ends lie close together.

        Lines that end in the same place are ordered by who was there first.
        """
        ends = [curve for curve in curves if self._steps(curve.compute_s, curve.median)]
        points = {curve.name: self._steps(curve.compute_s, curve.median)[-1] for curve in ends}
        ends.sort(key=lambda c: (round(points[c.name][1]), _missing(c)))
        # From the top, each at least LABEL_PX below the one before; then pushed back up from the
        # bottom where that went beyond the panel.
        heights: list[float] = []
        for curve in ends:
            above = heights[-1] + LABEL_PX if heights else -LABEL_PX
            heights.append(max(points[curve.name][1], above))
        lowest = HEIGHT + LABEL_PX
        for index in reversed(range(len(heights))):
            heights[index] = lowest = min(heights[index], lowest - LABEL_PX)
        return [
            {
                "name": curve.name,
                "role": curve.role,
                "bold": curve.width > 2,
                "from": points[curve.name],
                "at": (self.span + 26.0, height),
            }
            for curve, height in zip(ends, heights, strict=True)
        ]

    def _steps(
        self, compute_s: NDArray[np.float64], values: NDArray[np.float64]
    ) -> list[tuple[float, float]]:
        corners: list[tuple[float, float]] = []
        for compute, value in zip(compute_s.tolist(), values.tolist(), strict=True):
            x = self.x(compute)
            if not -0.5 <= x <= self.span + 0.5:
                continue
            if corners:
                corners.append((x, corners[-1][1]))
            corners.append((x, self.y(value)))
        return corners


def _missing(curve: Curve) -> float:
    """Return the mean of what is missing over the drawn compute: less for who is earlier."""
    return float(np.mean(1 - curve.median))


def _path(corners: Sequence[tuple[float, float]]) -> str:
    return "".join(
        f"{'L' if index else 'M'}{x:.1f} {y:.1f}" for index, (x, y) in enumerate(corners)
    )
