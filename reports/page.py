"""The report: one HTML page that needs no network, with CSV and JSON beside it."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import tomli_w
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from objectives import Explanations, LayersOfPoint
from reports import words
from reports.advice import advise, bounds_in_words, goals
from reports.audit import audit_rate
from reports.class_accuracy import class_accuracy
from reports.figures import hypervolume_steps, importance_bars, learning_curves
from reports.front_figures import PAIRS, front_pair, front_space
from reports.hypervolumes import end_of, growth
from reports.importances import importances
from reports.layer_bars import layer_bars
from reports.layers import HEIGHT, OPERATORS, WIDTH, small_histograms, told
from reports.no_faster import no_faster
from reports.palette import DARK, LIGHT, swaps
from reports.pictures import picture_rows
from reports.rows import baseline_rows, front_rows, row_of, teacher_row
from reports.savings import savings
from reports.stage_breakdown import stage_breakdown
from reports.summary import DOUBT, StudySummary
from reports.tables import COLUMNS, further_columns, points_csv, report_json
from spaces import InputError, without_none
from studies import ReportTable
from studies.records import Point

UNIT = re.compile(r"(?<=\d) (?=%|(?:[kM]?B|[mµ]s|[kMG]|s|min|h|px)\b)")
_ARRAY = re.compile(r"\[\n((?: {4}.*,\n)+)\]")
PAGE, CSV, JSON = "report.html", "points.csv", "report.json"


def write_report(
    summary: StudySummary,
    folder: Path,
    table: ReportTable | None = None,
    pictures: Explanations | str | None = None,
    layers: LayersOfPoint | str | None = None,
) -> Path:
    """Write the page, the CSV and the JSON into `folder` and return the page's path.

    table, pictures and layers: as `render` has them. Raises InputError when the folder cannot be
    written.
    """
    files = {
        PAGE: render(summary, table, pictures, layers),
        CSV: points_csv(summary),
        JSON: json.dumps(report_json(summary, layers), indent=2) + "\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write the report into {folder}: {error.strerror}") from error
    return folder / PAGE


def render(
    summary: StudySummary,
    table: ReportTable | None = None,
    pictures: Explanations | str | None = None,
    layers: LayersOfPoint | str | None = None,
) -> str:
    """Return the whole page as HTML.

    table: what it shows beside the front; default what the study says. pictures: what networks
    look at, or why that is left out. layers: of one point's file, or likewise.
    """
    advice = advise(summary)
    table = table or summary.report_table
    chosen = advice.point
    stopped = summary.history.ruled_out
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_unbroken,
    )
    return environment.get_template("report.html.j2").render(
        summary=summary,
        words=words,
        advice=advice,
        no_faster=no_faster(summary),
        chosen=row_of(summary, chosen) if chosen else None,
        teacher=teacher_row(summary),
        goals=goals(summary, chosen) if chosen else (),
        bounds=bounds_in_words(summary),
        columns=COLUMNS,
        further=further_columns(table),
        by_class=class_accuracy(summary) if "class_accuracy" in table.show else None,
        pictures=pictures,
        picture_rows=picture_rows(pictures) if isinstance(pictures, Explanations) else (),
        layers=layers,
        layer_words=told(layers) if isinstance(layers, LayersOfPoint) else (),
        histograms=small_histograms(layers) if isinstance(layers, LayersOfPoint) else (),
        operators=defaultdict(str, OPERATORS),
        wide=WIDTH,
        tall=HEIGHT,
        front=(front := front_rows(summary)),
        doubted=[row for row in front if row.counts and (row.front_probability or 0) < DOUBT],
        baselines=baseline_rows(summary),
        breakdown=stage_breakdown(summary, chosen) if chosen else (),
        savings=savings(summary.history),
        audit=audit_rate(summary.history, summary.objectives, summary.bounds),
        stopped=stopped[-1] if stopped else None,
        paused=next(reversed(summary.history.waiting), None),
        config=_settings(summary.config),
        figures=(figures := _figures(summary, chosen, layers)),
        data=_json({name: json.loads(figure.to_json()) for name, figure in figures.items()}),
        swaps=_json(swaps()),
        light=LIGHT,
        dark=DARK,
        plotly=Markup(get_plotlyjs()),  # noqa: S704 - Plotly's own source, inlined once
    )


def _figures(
    summary: StudySummary, chosen: Point | None, layers: LayersOfPoint | str | None
) -> dict[str, go.Figure]:
    if not summary.history.points:
        return {}
    steps = growth(summary)
    figures = {
        f"front-{x}-{y}": front_pair(summary, x, y, chosen).update_layout(showlegend=False)
        for x, y in PAIRS
    }
    figures["front-space"] = front_space(summary, chosen).update_layout(showlegend=False)
    for over in ("ended", "minutes"):
        figures[f"hypervolume-{over}"] = hypervolume_steps(
            steps, end_of(summary, steps, over), over
        )
    figures["curves"] = learning_curves(summary, chosen)
    for objective, shares in importances(summary).items():
        figures[f"importance-{objective}"] = importance_bars(shares)
    if isinstance(layers, LayersOfPoint):
        figures |= layer_bars(layers)
    return figures


def _unbroken(value: object) -> object:
    """Keep a number on one line with its unit."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return UNIT.sub("\N{NO-BREAK SPACE}", value)
    return value


def _json(value: object) -> Markup:
    """Return `value` as JSON that no tag in it can break out of its script element."""
    text = json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
    return Markup(text)  # noqa: S704 - escaped above


def _settings(config: Mapping[str, Any]) -> Markup:
    """Return a config as a study file has it, every list on one line, to be copied as it is."""

    def joined(array: re.Match[str]) -> str:
        return f"[{', '.join(line.strip(' ,') for line in array[1].splitlines())}]"

    return escape(_ARRAY.sub(joined, tomli_w.dumps(without_none(config))))
