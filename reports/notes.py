"""A trial, and a study, in words: Markdown for whoever browses the study."""

from collections.abc import Callable

from reports import words
from reports.advice import advise, against_teacher
from reports.intervals import wilson
from reports.summary import StudySummary
from spaces import ChainConfig, InputError
from studies.records import Failed, Point, Running, Stopped


def trial_note(summary: StudySummary, number: int) -> str:
    """Return what became of a trial; raises InputError for a trial the study does not have."""
    history = summary.history
    if number in summary.points:
        return _point(summary, summary.points[number])
    for stopped in history.stopped:
        if stopped.number == number:
            return _stopped(stopped)
    for failed in history.failed:
        if failed.number == number:
            return _failed(failed)
    for running in history.running:
        if running.number == number:
            return _running(running)
    raise InputError(f"study {summary.name!r} has no trial {number}")


def study_note(summary: StudySummary) -> str:
    """Return where the study stands, beginning with the advice."""
    history, costs, teacher = summary.history, summary.costs, summary.teacher
    sentence = advise(summary).sentence
    trained, stopped = len(history.students), len(history.ruled_out)
    fates = f"{trained} students trained to the end, {stopped} stopped"
    fates += f", {len(history.paused)} set aside" if history.paused else ""
    known = [
        words.network(teacher.architecture),
        words.percent(teacher.accuracy),
        words.size(teacher.cost.size_bytes),
        words.milliseconds(teacher.cost.median_ms),
    ]
    origin = "imported from" if costs.imported else "measured on"
    device = [
        f"{value} cores" if name == "cores" else value for name, value in costs.device.items()
    ]
    return f"""**{sentence[0].upper()}{sentence[1:]}.**

- {history.ended} sampled trials ended: {fates}
- {len(history.points)} points, {len(summary.front)} on the front
- Teacher: {", ".join(known)}
- Costs {origin} {", ".join(device)}
"""


def _point(summary: StudySummary, point: Point) -> str:
    images = int(point.evaluation["images"])
    low, high = wilson(point.accuracy * images, images)
    interval = f"95 % interval {words.percent(low)} to {words.percent(high)}, {images} images"
    f1 = f"F1 {point.evaluation['f1']:.3f}"
    entered = any(point.number in member.numbers for member in summary.front)
    lines = [
        f"**{words.scheme(point.scheme)}: {against_teacher(summary, point)}.**",
        "Entered the front."
        if entered
        else "Not on the front: another point is nowhere worse and somewhere better.",
        "",
        *_chain(point.chain),
        f"- Validation accuracy {words.percent(point.accuracy)} ({interval}), {f1}",
        f"- {words.size(point.size_bytes)}, {words.milliseconds(point.latency_ms)} an image",
    ]
    if point.offered_by is not None:
        lines.append(f"- Offered: a further scheme of the student of trial {point.offered_by}")
    if point.baseline:
        lines.append(f"- Baseline: {point.baseline}")
    audited = next(
        (s.audited for s in summary.history.students if s.number == point.number and s.audited),
        None,
    )
    if audited:
        lines.append(f"- Audited, or it had been stopped: {audited['words']}")
    return "\n".join(lines)


def _stopped(stopped: Stopped) -> str:
    if stopped.paused:
        words = str(stopped.ruling["words"])
        return "\n".join([f"**{words[0].upper()}{words[1:]}.**", "", *_chain(stopped.chain)])
    return "\n".join([f"**Stopped**: {stopped.ruling['words']}.", "", *_chain(stopped.chain)])


def _failed(failed: Failed) -> str:
    kind = {"interrupted": "Interrupted", "diverged": "Diverged"}.get(failed.kind, "Failed")
    settings = [f"- {name}: {value}" for name, value in failed.params.items()]
    return "\n".join([f"**{kind}**: {failed.reason}.", "", *settings])


def _running(running: Running) -> str:
    if not running.curve:
        return "**Running**: no epoch has ended yet."
    progress, accuracy = running.curve[-1]
    return f"**Running**: {100 * progress:.0f} % of its epochs, accuracy {words.percent(accuracy)}."


def _chain(chain: ChainConfig | None) -> list[str]:
    if chain is None:
        return ["- The teacher itself"]
    tell: tuple[tuple[str, Callable[[ChainConfig], str]], ...] = (
        ("Distilled", words.method),
        ("Adapted", words.adapter),
    )
    network = words.network(chain.student.architecture.key)
    return [f"- Student: {network}", *(f"- {what}: {text(chain)}" for what, text in tell)]
