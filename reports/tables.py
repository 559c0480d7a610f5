"""The front's columns, and what a report writes beside its page: CSV and JSON."""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from objectives import LayersOfPoint
from reports import words
from reports.advice import advise, goals
from reports.class_accuracy import class_accuracy_json
from reports.rows import Row, baseline_rows, front_rows, row_of, teacher_row
from reports.summary import StudySummary
from spaces import SCHEME_KEY
from studies import ReportTable


@dataclass(frozen=True)
class Column:
    """One column of the front's table."""

    title: str
    text: Callable[[Row], str]
    explained: str
    """What the number means and how it was measured, for the page's legend."""
    numeric: bool = True


def _optional(value: float | None, text: Callable[[float], str]) -> str:
    return words.NOTHING if value is None else text(value)


def _trial(row: Row) -> str:
    return "teacher" if row.trial is None else str(row.trial)


def _interval(row: Row) -> str:
    if row.accuracy_low is None or row.accuracy_high is None:
        return words.NOTHING
    return f"{100 * row.accuracy_low:.1f}–{100 * row.accuracy_high:.1f}"  # noqa: RUF001 - a range


COLUMNS: tuple[Column, ...] = (
    Column(
        "trial",
        _trial,
        "Optuna's trial number; with +n, n more trials are exactly as good.",
        numeric=False,
    ),
    Column(
        "what",
        lambda row: row.title,
        "The student's network, and what each stage did.",
        numeric=False,
    ),
    Column(
        "scheme",
        lambda row: words.scheme(row.scheme),
        "How the weights were quantized.",
        numeric=False,
    ),
    Column(
        "accuracy",
        lambda row: words.percent(row.accuracy),
        "Share of validation images that the artifact, run by its runtime, gets right. "
        "The search chose by this number, so it flatters the chosen a little.",
    ),
    Column(
        "95 %",
        _interval,
        "Wilson's 95 % interval of that accuracy: what chance in the choice of images allows.",
    ),
    Column(
        "on front",
        lambda row: _optional(row.front_probability if row.counts else None, words.probability),
        "Probability that its recipe belongs on the front: that nothing would beat it if all were "
        "trained and scored on many seeds. Low means that others are as good, not that it is bad; "
        "a point beyond the study's bounds is worth nothing there and has none. "
        "search.confirm trains members in doubt on further seeds.",
    ),
    Column(
        "test",
        lambda row: _optional(row.test_accuracy, words.percent),
        "Accuracy on the test split, which neither search nor stopping ever saw.",
    ),
    Column(
        "F1",
        lambda row: _optional(row.f1, lambda f1: f"{f1:.3f}"),
        "F1 on the validation split, averaged over classes.",
    ),
    Column(
        "size",
        lambda row: words.size(row.size_bytes),
        "Bytes of the file that would be shipped (1 MB is 10⁶ bytes).",
    ),
    Column(
        "smaller",
        lambda row: f"{words.times(row.compression)}×",  # noqa: RUF001 - a factor
        "The teacher's fp32 bytes over this file's.",
    ),
    Column(
        "latency",
        lambda row: words.milliseconds(row.median_ms),
        "One image: median over calls, then over fresh processes.",
    ),
    Column(
        "p95",
        lambda row: words.milliseconds(row.p95_ms),
        "One image: 95th percentile over calls, then the median over processes.",
    ),
    Column(
        "faster",
        lambda row: f"{words.times(row.speed_up)}×",  # noqa: RUF001 - a factor
        "The teacher's fp32 median over this one's.",
    ),
    Column(
        "FLOPs",
        lambda row: words.count(row.flops),
        "Multiply-adds of one image, by fvcore.",
    ),
    Column(
        "parameters",
        lambda row: words.count(row.parameters),
        "Weights and biases of the float network.",
    ),
)


FURTHER_COLUMNS: Mapping[str, Column] = {
    "kl_to_teacher": Column(
        "KL to teacher, nats",
        lambda row: _optional(row.kl_to_teacher, lambda nats: f"{max(0.0, nats):.3f}"),
        "Kullback-Leibler divergence from the artifact's class probabilities to the float "
        "teacher's, KL(teacher || artifact), mean over validation images. 0: the same predictions.",
    ),
    "mutual_information": Column(
        "mutual information, bits",
        lambda row: _optional(row.mutual_information, "{:.3f}".format),
        "Mutual information between the classes that the float teacher and the artifact predict, "
        "each drawn from its softmax, plug-in over validation images: what knowing the one tells "
        "about the other. At most log2 of the number of classes; with few images a class it is "
        "too high, for all points alike.",
    ),
    "calibration": Column(
        "calibration error",
        lambda row: _optional(row.calibration_error, words.percent),
        "Expected calibration error: by how much confidence and accuracy differ, over 15 bins of "
        "confidence on validation images (Guo et al. 2017). 0: of what it is 80 % sure of, 80 % "
        "is right.",
    ),
    "compressed": Column(
        "compressed",
        lambda row: _optional(row.compressed_bytes, words.size),
        "What gzip (level 9) makes of the file, for a download, of students whose weights were "
        "pruned. A device holds the whole file: size is what the search went by.",
    ),
}
"""Figures beside the front's, by the name that switches each on."""


def further_columns(table: ReportTable) -> tuple[Column, ...]:
    """Return the columns of the figures that `table` shows, among what a row is; or none."""
    shown = [FURTHER_COLUMNS[name] for name in dict.fromkeys(table.show) if name in FURTHER_COLUMNS]
    by_title = {column.title: column for column in COLUMNS}
    first, last = (by_title["trial"], by_title["accuracy"]), (by_title["scheme"], by_title["what"])
    return (*first, *shown, *last) if shown else ()


def points_csv(summary: StudySummary) -> str:
    """Return every point as CSV: numbers in base units, its place, and what was searched."""
    on_front = {number for member in summary.front for number in member.numbers}
    settings = [name for name in summary.space.searched if name != SCHEME_KEY]
    text = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for point in summary.history.points:
        record = dict(vars(row_of(summary, point)))
        del record["also"]
        params: Mapping[str, Any] = summary.space.params_of(point.chain) if point.chain else {}
        record |= {
            "latency_ms": point.latency_ms,
            "on_front": point.number in on_front,
            "student": point.student,
            "baseline": point.baseline or "",
            "completed": point.completed.isoformat(),
            **{name: params.get(name, "") for name in settings},
        }
        if writer is None:
            writer = csv.DictWriter(text, list(record), lineterminator="\n")
            writer.writeheader()
        writer.writerow(record)
    return text.getvalue()


def report_json(summary: StudySummary, layers: LayersOfPoint | str | None = None) -> dict[str, Any]:
    """Return what the page says, as plain JSON values; layers: as the page has them."""
    advice = advise(summary)
    history = summary.history
    return {
        "study": summary.name,
        "advice": advice.sentence,
        "chosen": advice.point.number if advice.point else None,
        "objectives": list(summary.objectives),
        "accuracy_floor": summary.floor,
        "bounds": summary.bounds_table.model_dump(exclude_none=True),
        "replicates": [asdict(replicate) for replicate in summary.replicates],
        "goals": [asdict(goal) for goal in goals(summary, advice.point)] if advice.point else [],
        "teacher": asdict(teacher_row(summary)),
        "teachers": [asdict(one) for one in summary.teachers],
        "front": [asdict(row) for row in front_rows(summary)],
        "front_fingerprint": summary.front_fingerprint,
        "baselines": [asdict(row) for row in baseline_rows(summary)],
        "class_accuracy": class_accuracy_json(summary),
        "layers": asdict(layers) if isinstance(layers, LayersOfPoint) else None,
        "trials": {
            "sampled_ended": history.ended,
            "students": len(history.students),
            "stopped": len(history.ruled_out),
            "paused": len(history.waiting),
            "failed": len(history.failed_for_good),
            "running": len(history.running),
            "offered": sum(point.origin == "offered" for point in history.points),
            "points": len(history.points),
        },
        "costs": {
            "device": dict(summary.costs.device),
            "runtime": summary.costs.runtime,
            "imported": summary.costs.imported,
            "repeatability": summary.costs.repeatability,
            "unevenness": summary.costs.unevenness,
        },
        "config": dict(summary.config),
    }
