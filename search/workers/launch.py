"""Starts the workers of a study, listens to them and ends them: on this machine."""

import queue
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Protocol

from objectives import FileLock
from search.workers.worker_child import WorkerChild, WorkerEvent, WorkerExit


class Launcher(Protocol):
    """Places the workers of one command, and restarts them; which trials they run it cannot say."""

    def start(self, index: int) -> None:
        """Start worker `index`: when the command begins, or in the place of one that has ended."""
        ...

    @property
    def running(self) -> bool:
        """Whether a worker lives, or has said something that was not taken yet."""
        ...

    def take(self, patience_s: float = 1.0) -> WorkerEvent | WorkerExit | None:
        """Return the next thing a worker says, or None when `patience_s` pass in silence."""
        ...

    def ask_to_stop(self) -> None:
        """Ask every worker to stop after its current epoch."""
        ...

    def kill(self) -> None:
        """End every worker at once; what they had finished is kept."""
        ...


class Mailbox:
    """What workers say, until it is taken."""

    def __init__(self) -> None:
        self._queue: queue.Queue[WorkerEvent | WorkerExit] = queue.Queue()
        self._alive = 0

    def expect(self) -> None:
        """Count one more worker, whose exit will come."""
        self._alive += 1

    def put(self, item: WorkerEvent | WorkerExit) -> None:
        """Take in what a worker says, from any thread."""
        self._queue.put(item)

    @property
    def expects(self) -> bool:
        """Whether a worker lives, or has said something that was not taken yet."""
        return self._alive > 0

    def take(self, patience_s: float) -> WorkerEvent | WorkerExit | None:
        """Return the next thing a worker says, or None when `patience_s` pass in silence."""
        try:
            item = self._queue.get(timeout=patience_s)
        except queue.Empty:
            return None
        if isinstance(item, WorkerExit):
            self._alive -= 1
        return item


class LocalLauncher:
    """Workers as child processes of this command."""

    def __init__(self, arguments: Sequence[str], workers: int, log_dir: Path) -> None:
        self._mailbox = Mailbox()
        self._children: dict[int, WorkerChild] = {}
        self._arguments = arguments
        self._log_dir = log_dir
        log_dir.mkdir(parents=True, exist_ok=True)
        self._place, self._held = _own_place(log_dir)
        for index in range(workers):
            self._log(index).unlink(missing_ok=True)
            self.start(index)

    def start(self, index: int) -> None:
        """As Launcher has it."""
        self._mailbox.expect()
        self._children[index] = WorkerChild(
            self._arguments, index, self._log(index), self._mailbox.put
        )

    def _log(self, index: int) -> Path:
        place = "" if self._place == 1 else f".{self._place}"
        return self._log_dir / f"worker-{index}{place}.log"

    @property
    def running(self) -> bool:
        """As Launcher has it."""
        return self._mailbox.expects

    def take(self, patience_s: float = 1.0) -> WorkerEvent | WorkerExit | None:
        """As Launcher has it."""
        return self._mailbox.take(patience_s)

    def ask_to_stop(self) -> None:
        """As Launcher has it."""
        for child in self._children.values():
            child.ask_to_stop()

    def kill(self) -> None:
        """As Launcher has it."""
        for child in self._children.values():
            child.kill()
        for child in self._children.values():
            child.wait()


def _own_place(log_dir: Path) -> tuple[int, FileLock]:
    """Return which of the commands that search this study now the calling one is, from 1.

    It is another one's once the lock is let go, or its process has ended.
    """
    for place in count(1):
        lock = FileLock(log_dir / f".{place}.lock")
        if lock.acquire(wait=False):
            return place, lock
    raise AssertionError("unreachable: there is always a further place")
