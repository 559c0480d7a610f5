"""Why workers ended that should not have, told to the person."""

from pathlib import Path

from search.cli.options import EXIT_FAULT, EXIT_INPUT, EXIT_PASSING, REFUSAL, fail
from search.cli.session import Session
from search.cli.watch import death_of
from search.workers import WorkerExit, is_of_the_machine


def tell_failure(session: Session, failed: list[WorkerExit]) -> None:
    """Say why workers ended; exit when none is left that could have finished the study."""
    finished = _seen_to_be_finished(session)
    # What will recur is worth more words than what may pass.
    first = min(failed, key=lambda item: item.code not in {EXIT_INPUT, EXIT_FAULT})
    if first.code == EXIT_INPUT:
        fail(_last_refusal(first.log), EXIT_INPUT)
    if first.code < 0:
        words = death_of(first)
    else:
        lines = [first.reason] if first.reason else _lines_of(first.log)
        reason = lines[-1] if lines else f"it ended with code {first.code}"
        words = f"worker {first.worker} failed: {reason}"
    session.console.print(f"{words}\n  see {first.log}", style="red")
    if finished:
        return
    if first.code < 0 or first.code == EXIT_PASSING:
        fail("the study is not finished; the same command goes on with it", EXIT_FAULT)
    fail(
        "the study is not finished, and the same command would end in the same way: what failed "
        f"has to be mended first, see {first.log}",
        EXIT_FAULT,
    )


def _seen_to_be_finished(session: Session) -> bool:
    """Whether nothing is left to run; not, where the storage that failed the workers is away."""
    try:
        return session.is_finished()
    except Exception as error:
        if not is_of_the_machine(error):
            raise
        return False


def _lines_of(log: Path) -> list[str]:
    return [line for line in log.read_text("utf-8", errors="replace").splitlines() if line]


def _last_refusal(log: Path) -> str:
    """Return what a worker that met bad input said last, all lines of it."""
    lines = _lines_of(log)
    beginnings = [at for at, line in enumerate(lines) if line.startswith(REFUSAL)]
    said = lines[beginnings[-1] :] if beginnings else lines[-1:]
    return "\n".join(said).removeprefix(REFUSAL) or f"it was refused without words, see {log}"
