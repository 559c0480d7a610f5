"""`python -m search.confirm`: train front members in doubt on further seeds."""

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli import (
    EXIT_INTERRUPTED,
    RUNS_DIR,
    CacheOption,
    RunsDirOption,
    StorageOption,
    StudyOption,
    TimeoutOption,
    TrustOption,
    in_words,
    make_app,
    parse_duration_s,
    run_app,
    with_examples,
)

if TYPE_CHECKING:
    from rich.status import Status

    from objectives import EpochReport, OnEpoch
    from reports import StudySummary
    from search.cli import Session
    from search.workers import Repeat, StopSignal
    from studies.records import Replicate

_AGAIN = "the same command goes on where this stopped"
_PLAIN_EVERY_S = 5.0
"""How often a log that is no terminal hears of epochs."""


@with_examples(
    "--study kd_lora_q",
    "--study kd_lora_q --timeout 30m",
)
def confirm(
    study: StudyOption = "kd_lora_q",
    repeats: Annotated[
        int, typer.Option("--repeats", help="Further seeds that a student is trained on at most.")
    ] = 2,
    doubt: Annotated[
        float,
        typer.Option(
            "--doubt", help="Front members less probable than this are in doubt, in (0, 1]."
        ),
    ] = 0.9,
    timeout: TimeoutOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    storage: StorageOption = None,
    cache: CacheOption = None,
    trust_modules: TrustOption = False,
) -> None:
    """Train front members in doubt, and what puts them in doubt, on further seeds.

    The search is left as it is: repeats are neither trials nor points.
    """
    from spaces import InputError, Number

    Number(least=1, most=100, whole=True).read("--repeats", repeats)
    Number(above=0, most=1).read("--doubt", doubt)
    deadline = None if timeout is None else time.monotonic() + parse_duration_s(timeout)

    from search.cli import interruptible, open_existing

    session = open_existing(study, runs_dir, storage)
    summary = session.summary()
    if not summary.history.points:
        raise InputError(f"study {summary.name!r} has no point yet, and so nothing to confirm")
    seeds = [session.config.seed + further for further in range(1, repeats + 1)]
    interrupted = False
    try:
        with interruptible():
            words = _repeat(
                session, summary, seeds, doubt, deadline, cache, trust_modules=trust_modules
            )
    except KeyboardInterrupt:
        interrupted = True
        words = f"Interrupted; {_AGAIN}."
    _show(session, summary, trust_modules=trust_modules)
    session.console.print(words, highlight=False)
    if interrupted:
        sys.exit(EXIT_INTERRUPTED)


def _repeat(
    session: "Session",
    summary: "StudySummary",
    seeds: list[int],
    doubt: float,
    deadline: float | None,
    cache: str | None,
    *,
    trust_modules: bool,
) -> str:
    """Train what is in doubt until nothing is left or the time is over; say which it was."""
    from reports import counted
    from search.workers import Doubts, seconds_of

    doubts = Doubts(summary, seeds, doubt)
    console, members, todo = session.console, doubts.members(), doubts.open()
    console.print(
        f"In doubt, less probable than {100 * doubt:g} %: {len(members)} of "
        f"{counted(len(summary.front), 'front member')} of {summary.name}",
        highlight=False,
    )
    if not todo:
        return "Nothing is left to train."
    session.allow_modules(trusted=trust_modules)
    console.print(
        f"{counted(len(todo), 'training')} on further seeds, about "
        f"{in_words(seconds_of(todo, summary))}; fewer if doubts are settled sooner, "
        "more if new ones come up",
        highlight=False,
    )

    # Imported here: what is there already is said before torch is loaded.
    from rich.text import Text

    from objectives import study_inputs
    from search.workers import ReleasedError, StopSignal, train
    from studies import check_inputs
    from studies.records import record_replicate

    stop_signal, done = StopSignal(deadline), 0
    with session.workbench(cache) as workbench:
        space = session.config.search_space()
        inputs = study_inputs(workbench.setup, space.networks, workbench.data, space.tried)
        check_inputs(session.study, inputs)
        workbench.cache.keep = _front_stages(summary)
        while todo and not stop_signal.stopping:
            repeat = todo[0]
            words = f"{_name(repeat)} ({done + 1} of about {done + len(todo)})"
            with console.status(Text(words), spinner="line") as shown:
                try:
                    replicate = train(
                        repeat, workbench, _teller(session, words, shown, stop_signal)
                    )
                except ReleasedError:
                    break
            record_replicate(session.study, replicate)
            before, summary, done = summary, session.summary(), done + 1
            console.print(_outcome(repeat, replicate, before, summary), highlight=False)
            todo = Doubts(summary, seeds, doubt).open()
    return f"The time is over; {_AGAIN}." if todo else "Nothing is left to train."


def _front_stages(summary: "StudySummary") -> frozenset[str]:
    """Return the stages that the cache is not to drop for these."""
    chosen = {member.point.student for member in summary.front}
    students = [student for student in summary.history.students if student.key in chosen]
    return frozenset(stage.key for student in students for stage in student.stages)


def _teller(
    session: "Session", words: str, shown: "Status", stop_signal: "StopSignal"
) -> "OnEpoch":
    """Return what shows every epoch, and ends the training after one when the time is over."""
    from rich.text import Text

    from objectives import Verdict
    from search.workers import ReleasedError

    said_at = 0.0

    def on_epoch(report: "EpochReport") -> "Verdict":
        nonlocal said_at
        epoch = (
            f"{words}: {report.stage} epoch {report.epoch}/{report.epochs}"
            f"{' (reused)' if report.reused else ''}, accuracy {report.accuracy:.3f}"
        )
        shown.update(Text(epoch))
        now = time.monotonic()
        if not session.console.is_terminal and now - said_at >= _PLAIN_EVERY_S:
            said_at = now
            session.console.print(epoch, highlight=False)
        if stop_signal.stopping and not report.reused:
            raise ReleasedError
        return Verdict.GO_ON

    return on_epoch


def _name(repeat: "Repeat") -> str:
    rival = (
        "" if repeat.point is repeat.member else f", which may beat trial {repeat.member.number}"
    )
    return f"trial {repeat.point.number} on seed {repeat.seed}{rival}"


def _outcome(
    repeat: "Repeat", replicate: "Replicate", before: "StudySummary", after: "StudySummary"
) -> str:
    from reports import words

    point, member = repeat.point, repeat.member.number
    return (
        f"{_name(repeat)}: {words.percent(replicate.accuracies[point.scheme])} after "
        f"{words.percent(point.accuracy)} in the study; trial {member} is on the front with "
        f"{words.probability(after.front_probability[member])}, before "
        f"{words.probability(before.front_probability[member])}"
    )


def _show(session: "Session", before: "StudySummary", *, trust_modules: bool) -> None:
    """Write the report anew, and print what is surer now."""
    from reports import confirmation_table
    from search.cli import write_study_report

    summary = session.summary()
    page = write_study_report(session, summary, trust_modules=trust_modules)
    session.console.print(confirmation_table(before.front_probability, summary))
    session.console.print(f"Report: {page}", highlight=False)


if __name__ == "__main__":
    run_app(make_app(confirm))
