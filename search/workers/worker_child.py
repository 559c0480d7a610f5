"""One worker as a child of this process: its events, its log, and its end.

A worker's standard output carries its events; its standard input is its stop_signal: a line there
asks it to stop after the current epoch, and the end of the file (this process is gone, however it
went) ends it at once. So no worker outlives the process that started it.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from search.workers.events import Event, Failed, from_line


@dataclass(frozen=True)
class WorkerEvent:
    """An event and the index of the worker that sent it."""

    worker: int
    event: Event


@dataclass(frozen=True)
class WorkerExit:
    """A worker process ended."""

    worker: int
    code: int
    """Exit code; negative when a signal ended it, -9 where memory ran out."""
    log: Path
    reason: str = ""
    """Why, where it could say so: its log may lie on the disk that is full."""
    is_place_gone: bool = False
    """Whether it went because the machine did that it was on."""


Say = Callable[[WorkerEvent | WorkerExit], None]
"""Takes what a worker says."""


class WorkerChild:
    """A worker process."""

    def __init__(self, arguments: Sequence[str], index: int, log: Path, say: Say) -> None:
        """Start it; what it says goes to `say`, from a thread, its end last."""
        self._index, self._log, self._say = index, log, say
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "search.worker", *arguments, "--index", str(index)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                errors="replace",
                # Its log and its events are UTF-8, whatever this terminal's encoding is.
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
                # Ctrl-C is the command's to answer; a worker hears of it on its stop_signal.
                start_new_session=True,
            )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        stdout: IO[str] | None = self._process.stdout
        reason = ""
        for line in stdout or ():
            try:
                event = from_line(line)
            except (ValueError, KeyError, TypeError):
                # A library printed; its words belong to the log, not to the protocol.
                with suppress(OSError), self._log.open("a", encoding="utf-8") as file:
                    file.write(line)
                continue
            if isinstance(event, Failed):
                reason = event.words
            else:
                self._say(WorkerEvent(self._index, event))
        self._say(WorkerExit(self._index, self._process.wait(), self._log, reason))

    def ask_to_stop(self) -> None:
        """Ask it to stop after its current epoch."""
        if self._process.poll() is None and self._process.stdin is not None:
            with suppress(OSError):  # It ended meanwhile.
                self._process.stdin.write("stop\n")
                self._process.stdin.flush()

    def kill(self) -> None:
        """End it at once; what it had finished is kept."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)

    def wait(self) -> None:
        """Return once it has ended."""
        self._process.wait()
