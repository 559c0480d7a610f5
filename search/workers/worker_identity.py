"""Which process runs a trial, said so that another can tell whether it is gone."""

import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import psutil

_START_TOLERANCE_S = 2.0
"""Where start times are wall-clock times, a corrected clock moves them a little."""


@dataclass(frozen=True)
class WorkerIdentity:
    """A process, told apart from any other that has, had or will have its number."""

    host: str
    """Name of the machine; machines that share a study need different ones."""
    namespace: str
    """Where its number is valid: containers of one machine have their own ("" where unknown)."""
    boot_id: str
    """Of the machine's run since it was switched on ("" where the system has none)."""
    pid: int
    started: float
    """When the process began: clock ticks since boot on Linux, Unix seconds elsewhere."""

    @classmethod
    def of_this_process(cls) -> Self:
        """Return the identity of the process that calls."""
        here = cls._of(os.getpid())
        if here is None:
            raise RuntimeError("this process cannot find itself")
        return here

    @classmethod
    def of_the_command(cls) -> Self | None:
        """Return the identity of the process that started the one that calls, if it lives."""
        return cls._of(os.getppid())

    @classmethod
    def _of(cls, pid: int) -> Self | None:
        started = _started(pid)
        if started is None:
            return None
        return cls(socket.gethostname(), _namespace(), _boot_id(), pid, started)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the identity that `as_dict` wrote."""
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def is_gone_from(self, here: "WorkerIdentity") -> bool | None:
        """Return whether the process has ended, as seen from `here`; None when that cannot be seen.

        A machine that was switched off and on again counts as the same one.
        """
        if self.host != here.host:
            return None
        if self.boot_id != here.boot_id:
            return True
        if self.namespace != here.namespace:
            return None
        started = _started(self.pid)
        return started is None or abs(started - self.started) > _START_TOLERANCE_S


def _started(pid: int) -> float | None:
    """Return when a living process began; None when there is none (a zombie has ended)."""
    if Path("/proc/self/stat").exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return None
        # proc(5): the name, in brackets, may hold anything; state and start follow it.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in {"Z", "X"} else float(fields[19])
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
    except OSError:
        return ""
