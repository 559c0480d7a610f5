"""`python -m search.worker`: one worker of a study, started by search.run.

Its standard output carries events (search.workers.events), its standard input is its stop_signal.
"""

import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Annotated

import typer

from search.cli import (
    EXIT_FAULT,
    EXIT_INTERRUPTED,
    EXIT_PASSING,
    RUNS_DIR,
    CacheOption,
    RunsDirOption,
    StorageOption,
    TrustOption,
    make_app,
    run_app,
)
from search.workers import Event, Failed, StopSignal, to_line
from spaces import DistilfrontError


def worker(
    study: Annotated[str, typer.Option("--study", help="Its name in the storage.")],
    runs_dir: RunsDirOption = RUNS_DIR,
    storage: StorageOption = None,
    cache: CacheOption = None,
    trust_modules: TrustOption = False,
    measure_only: Annotated[
        bool, typer.Option("--measure-only", help="Measure the costs, and run no trial.")
    ] = False,
    index: Annotated[int, typer.Option("--index", help="This worker's number, from 0.")] = 0,
) -> None:
    """Run trials of a study, as the storage has it, until enough have ended."""
    emit = _event_pipe()
    stop_signal = StopSignal()
    stop_signal.watch_stdin()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    warnings.simplefilter("default")

    # The imports take seconds; the stop_signal is watched before them.
    from search.cli import allow_modules_of
    from search.workers import ReleasedError, fault_in_words, may_pass, work

    allow = partial(allow_modules_of, trusted=trust_modules)
    try:
        work(
            study,
            runs_dir,
            storage,
            cache,
            index,
            stop_signal,
            emit,
            allow,
            measures_only=measure_only,
        )
    except ReleasedError:
        sys.exit(EXIT_INTERRUPTED)
    except DistilfrontError:
        raise
    except Exception as error:  # noqa: BLE001 - told, and the process ends with it
        emit(Failed(fault_in_words(error)))
        with suppress(OSError):  # The disk that is full may be the log's.
            traceback.print_exception(error)
        sys.exit(EXIT_PASSING if may_pass(error) else EXIT_FAULT)


def _event_pipe() -> Callable[[Event], None]:
    """Return what sends events, and give the standard output's place to the standard error.

    Libraries print; what they print is no event.
    """
    pipe, lock = sys.stdout, threading.Lock()
    sys.stdout = sys.stderr

    def emit(event: Event) -> None:
        with lock:  # The thread that beats tells of a storage that is away.
            pipe.write(to_line(event) + "\n")
            pipe.flush()

    return emit


if __name__ == "__main__":
    run_app(make_app(worker))
