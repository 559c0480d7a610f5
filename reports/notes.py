"""A trial, and a study, in words: Markdown for whoever browses the study."""

from reports import words
from reports.advice import advise, against_teacher
from reports.intervals import wilson
from reports.summary import StudySummary
from spaces import STAGES, ChainConfig, InputError
from studies.records import Failed, Paused, Point, Running, Stopped


def trial_note(summary: StudySummary, number: int) -> str:
    """Return what became of a trial; raises InputError for a trial the study does not have."""
    history = summary.history
    if number in summary.points:
        return _point(summary, summary.points[number])
    for pruned in history.pruned:
        if pruned.number == number:
            return _pruned(summary, pruned)
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
    fates = f"{words.counted(trained, 'student')} trained to the end, {stopped} stopped"
    fates += f", {len(history.waiting)} paused" if history.waiting else ""
    known = [
        summary.network_in_words(teacher.network),
        words.percent(teacher.accuracy),
        words.size(teacher.cost.size_bytes),
        words.milliseconds(teacher.cost.median_ms),
    ]
    origin = "imported from" if costs.imported else "measured on"
    device = [
        f"{value} core{'' if value == '1' else 's'}" if name == "cores" else value
        for name, value in costs.device.items()
    ]
    others = "".join(
        f"\n- Teacher {one.name}: {one.words}, {words.percent(one.accuracy)}"
        for one in summary.teachers
    )
    return f"""**{sentence[0].upper()}{sentence[1:]}.**

- {words.counted(history.ended, "sampled trial")} ended: {fates}
- {words.counted(len(history.points), "point")}, {len(summary.front)} on the front
- Teacher: {", ".join(known)}{others}
- Costs {origin} {", ".join(device)}
"""


def _point(summary: StudySummary, point: Point) -> str:
    images = point.evaluation.images
    worth = summary.images or images
    low, high = wilson(point.accuracy * worth, worth)
    interval = f"95 % interval {words.percent(low)} to {words.percent(high)}"
    interval += f", {words.counted(images, 'image')}"
    f1 = f"F1 {point.evaluation.f1:.3f}"
    entered = any(point.number in member.numbers for member in summary.front)
    lines = [
        f"**{words.scheme(point.scheme)}: {against_teacher(summary, point)}.**",
        "Entered the front."
        if entered
        else "Not on the front: another point is nowhere worse and somewhere better.",
        "",
        *_chain(summary, point.chain),
        f"- Validation {summary.measure.words} {words.percent(point.accuracy)} ({interval}), {f1}",
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
        lines.append(f"- Audited, or it had been stopped: {audited.words}")
    return "\n".join(lines)


def _pruned(summary: StudySummary, pruned: Stopped | Paused) -> str:
    words = pruned.ruling.words
    said = f"**Stopped**: {words}."
    if isinstance(pruned, Paused):
        said = f"**{words[0].upper()}{words[1:]}.**"
    return "\n".join([said, "", *_chain(summary, pruned.chain)])


def _failed(failed: Failed) -> str:
    kind = {"interrupted": "Interrupted", "diverged": "Diverged"}.get(failed.kind, "Failed")
    settings = [f"- {name}: {value}" for name, value in failed.params.items()]
    return "\n".join([f"**{kind}**: {failed.reason}.", "", *settings])


def _running(running: Running) -> str:
    if not running.curve:
        return "**Running**: no epoch has ended yet."
    progress, accuracy = running.curve[-1]
    return f"**Running**: {100 * progress:.0f} % of its epochs, accuracy {words.percent(accuracy)}."


def _chain(summary: StudySummary, chain: ChainConfig | None) -> list[str]:
    if chain is None:
        return ["- The teacher itself"]
    kinds = summary.space.order_of(chain.student)
    there = {stage.kind: stage.became for stage in chain.student.stages}
    lines = [f"- Student: {summary.network_in_words(chain.student.network.key)}"]
    for kind, told in zip(kinds, words.stages(chain.student, kinds), strict=True):
        title = there.get(kind, STAGES[kind].done)
        lines.append(f"- {title.capitalize()}: {told}")
    return lines
