"""A lock between processes that the operating system frees when its holder dies. No torch."""

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_POLL_S = 0.1


class FileLock:
    """Shared by readers or exclusive to one writer, on a file that is never deleted.

    Deleting the file would let two processes hold "the" lock on two files of one name. On Windows
    a shared lock is none: open files cannot be deleted there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def acquire(self, *, shared: bool = False, wait: bool = True) -> bool:
        """Take the lock and return True; with `wait` False return False when others hold it."""
        if self._file is not None:
            raise RuntimeError(f"the lock {self._path} is already held through this object")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("ab")
        try:
            if not _lock(file, shared=shared, wait=wait):
                file.close()
                return False
        except BaseException:
            file.close()
            raise
        self._file = file
        return True

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


if sys.platform == "win32":

    def _lock(file: IO[bytes], *, shared: bool, wait: bool) -> bool:
        if shared:
            return True
        while True:
            file.seek(0)
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            except OSError:
                if not wait:
                    return False
                time.sleep(_POLL_S)
            else:
                return True

else:

    def _lock(file: IO[bytes], *, shared: bool, wait: bool) -> bool:
        how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(file, how | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True
