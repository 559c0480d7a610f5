"""Starts the workers of a study on this machine, listens to them and ends them.

A worker's standard output carries its events; its standard input is its stop_signal: a line there
asks it to stop after the current epoch, and the end of the file (this process is gone, however
it went) ends it at once. So no worker outlives the command that started it.
"""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO

from objectives import FileLock
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


class Supervisor:
    """The worker processes of one command."""

    def __init__(self, arguments: Sequence[str], workers: int, log_dir: Path) -> None:
        self._queue: queue.Queue[WorkerEvent | WorkerExit] = queue.Queue()
        self._processes: dict[int, subprocess.Popen[str]] = {}
        self._arguments = arguments
        self._log_dir = log_dir
        self._alive = 0
        log_dir.mkdir(parents=True, exist_ok=True)
        self._place, self._held = _own_place(log_dir)
        for index in range(workers):
            self._log(index).unlink(missing_ok=True)
            self.start(index)

    def start(self, index: int) -> None:
        """Start worker `index`: when the command begins, or in the place of one that has ended."""
        log = self._log(index)
        with log.open("a", encoding="utf-8") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "search.worker", *self._arguments, "--index", str(index)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                errors="replace",
                # Its log and its events are UTF-8, whatever this terminal's encoding is.
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
                # Ctrl-C is this process's to answer; a worker hears of it on its stop_signal.
                start_new_session=True,
            )
        self._processes[index] = process
        self._alive += 1
        threading.Thread(target=self._listen, args=(index, process, log), daemon=True).start()

    def _log(self, index: int) -> Path:
        place = "" if self._place == 1 else f".{self._place}"
        return self._log_dir / f"worker-{index}{place}.log"

    def _listen(self, index: int, process: "subprocess.Popen[str]", log: Path) -> None:
        stdout: IO[str] | None = process.stdout
        reason = ""
        for line in stdout or ():
            try:
                event = from_line(line)
            except (ValueError, KeyError, TypeError):
                # A library printed; its words belong to the log, not to the protocol.
                with suppress(OSError), log.open("a", encoding="utf-8") as file:
                    file.write(line)
                continue
            if isinstance(event, Failed):
                reason = event.words
            else:
                self._queue.put(WorkerEvent(index, event))
        self._queue.put(WorkerExit(index, process.wait(), log, reason))

    @property
    def running(self) -> bool:
        """Whether a worker lives, or has said something that was not taken yet."""
        return self._alive > 0

    def take(self, patience_s: float = 1.0) -> WorkerEvent | WorkerExit | None:
        """Return the next thing a worker says, or None when `patience_s` pass in silence."""
        try:
            item = self._queue.get(timeout=patience_s)
        except queue.Empty:
            return None
        if isinstance(item, WorkerExit):
            self._alive -= 1
        return item

    def ask_to_stop(self) -> None:
        """Ask every worker to stop after its current epoch."""
        for process in self._processes.values():
            if process.poll() is None and process.stdin is not None:
                try:
                    process.stdin.write("stop\n")
                    process.stdin.flush()
                except OSError:
                    continue  # It ended meanwhile.

    def kill(self) -> None:
        """End every worker at once; what they had finished is kept."""
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        for process in self._processes.values():
            process.wait()


def _own_place(log_dir: Path) -> tuple[int, FileLock]:
    """Return which of the commands that search this study now the calling one is, from 1.

    It is another one's once the lock is let go, or its process has ended.
    """
    for place in count(1):
        lock = FileLock(log_dir / f".{place}.lock")
        if lock.acquire(wait=False):
            return place, lock
    raise AssertionError("unreachable: there is always a further place")
