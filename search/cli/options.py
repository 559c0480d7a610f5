"""What all commands share: their options, and how an outcome becomes an exit code."""

import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from search.cli.completion import complete_study
from search.cli.interrupts import interruptible
from search.cli.stand_ins import use_stand_ins
from spaces import DistilfrontError, InputError, is_text, printable


def usable(path: Path | None) -> Path | None:
    """Return a path that a command was given; raises InputError where no file can be there."""
    from studies import usable as usable_path

    return None if path is None else usable_path(path)


StudyOption = Annotated[
    str,
    typer.Option(
        "--study",
        help="A built-in study's name, or a FILE.toml.",
        metavar="NAME|FILE",
        autocompletion=complete_study,
    ),
]
RunsDirOption = Annotated[
    Path,
    typer.Option("--runs-dir", help="Folder that holds every study's files.", callback=usable),
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        help="Optuna storage URL; default: the SQLite file study.db in the study's folder.",
        metavar="URL",
    ),
]
CacheOption = Annotated[
    str | None,
    typer.Option(
        "--cache",
        help="Where machines share what was trained: s3://BUCKET/FOLDER, file:///FOLDER, …",
        metavar="URL",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Override a key of the study file; may be repeated.", metavar="KEY=VALUE"
    ),
]
TimeoutOption = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        help="Stop after this long, as 30m or 1h30m, once the epoch is over.",
        metavar="TIME",
    ),
]
PixelsOption = Annotated[
    str | None,
    typer.Option(
        "--pixels",
        help="Put the normalisation into the file, which then takes pixels: uint8, or float in "
        "[0, 1].",
        metavar="KIND",
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Print what it would do, and do nothing.")
]
TrustOption = Annotated[
    bool,
    typer.Option(
        "--trust-modules",
        help="Import modules that a study or recipe names, wherever they lie: this runs them.",
    ),
]
OutOption = Annotated[
    Path, typer.Option("--out", help="Folder to write; made if it is missing.", callback=usable)
]

RUNS_DIR = Path("runs")

Command = TypeVar("Command", bound=Callable[..., None])

_UsageError: Any = typer.BadParameter.__mro__[1]
"""What an unknown option or a value of the wrong type raises. Typer brings its own copy of Click,
so this name is reached by one that Typer offers."""

_EXAMPLES: dict[Callable[..., None], tuple[str, ...]] = {}

REFUSAL = "distilfront: "
"""Before what a command says when it ends without having done what was asked."""

_LONGEST_LINE, _END = 2_000, 500
"""Characters; and those kept of the end of a longer one, where the rule or its alternatives are."""

EXIT_FAULT = 1
EXIT_INPUT = 2
EXIT_PASSING = 75
"""A fault that may be gone when the same command is run again; as sysexits.h has it."""
EXIT_INTERRUPTED = 130


def with_examples(*examples: str) -> Callable[[Command], Command]:
    """Let the help of a command end with examples: its arguments, as one would type them."""

    def mark(command: Command) -> Command:
        _EXAMPLES[command] = examples
        return command

    return mark


def add_command(app: typer.Typer, command: Callable[..., None]) -> None:
    """Add `command` to `app`, its examples below its help."""
    name = command.__name__
    lines = [f"python -m search.{name} {each}" for each in _EXAMPLES.get(command, ())]
    # A paragraph each, or they would flow into one.
    app.command(epilog="\n\n".join(["Examples:", *lines]) if lines else None)(command)


def make_app(command: Callable[..., None]) -> typer.Typer:
    """Return a Typer application with `command` alone."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    add_command(app, command)
    return app


def run_app(app: typer.Typer) -> NoReturn:
    """Run `app` and exit: 0 done, 2 the user can mend it, 1 a fault, 130 interrupted."""
    use_stand_ins()
    try:
        # Typer gives back the code of an exit that it handled itself: --help, Ctrl-C.
        _check_names()
        with interruptible():
            code = app(standalone_mode=False)
        sys.stdout.flush()
    except _UsageError as error:
        words = " ".join(error.format_message().split())
        if words:  # Without any argument, the help was shown already.
            fail(f"{words.rstrip('.')}; --help lists what is possible", EXIT_INPUT)
        sys.exit(EXIT_INPUT)
    except InputError as error:
        fail(str(error), EXIT_INPUT)
    except DistilfrontError as error:
        fail(str(error), EXIT_FAULT)
    except KeyboardInterrupt:
        fail("interrupted", EXIT_INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - told, and the command ends with it
        if full := _full_output():
            fail(f"cannot write to standard output: {full}", EXIT_INPUT)
        fail(_told(error), EXIT_FAULT)
    if code == EXIT_INTERRUPTED:
        fail("interrupted", EXIT_INTERRUPTED)
    sys.exit(code or 0)


def _check_names() -> None:
    """Refuse names that no study and no page could hold, before any work is done for them."""
    arguments = [("the argument", each) for each in sys.argv[1:]]
    for what, name in [("the current folder", str(Path.cwd())), *arguments]:
        if not is_text(name):
            raise InputError(f"{what} {printable(name)} is not UTF-8: rename what it names")


def _told(error: Exception) -> str:
    """Say what went wrong, and where the traceback lies unless disk or storage failed."""
    from search.workers import fault_in_words, is_of_the_machine

    words = fault_in_words(error)
    if is_of_the_machine(error):
        return words
    with NamedTemporaryFile(
        "w", prefix="distilfront-fault-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        traceback.print_exception(error, file=log)
    return f"a fault of the program's own, {words}; please report it with {log.name}"


def _full_output() -> str:
    """Say why the standard output, a pipe or a disk, takes nothing; empty where it does.

    The interpreter is kept from trying once more.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error.strerror or type(error).__name__
    return ""


def fail(words: str, code: int) -> NoReturn:
    """Print `words` to standard error and exit with `code`."""
    print(f"{REFUSAL}{_in_lines(words)}", file=sys.stderr)
    sys.exit(code)


def _in_lines(words: str) -> str:
    """Return words in the lines that were meant: what they cite may be long, or have breaks.

    The lines of a list begin with two spaces.
    """
    lines = map(printable, re.split(r"\n(?=  )", words))
    return "\n".join(
        line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE // 2]} … {line[-_END:]}"
        for line in lines
    )
