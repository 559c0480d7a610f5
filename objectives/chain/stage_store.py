"""Sealed folders in a store that many machines reach, at any URL that fsspec opens. No torch."""

import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, TypeVar

from objectives.chain.packed_stage import pack, unpack
from objectives.sealed_folder import DamagedError, writing_aside
from spaces import InputError, in_one_line, printable

_ASK_S: Final = 10.0
"""How long a store may take to say whether an object is there: the most that one which hangs costs.
The first answer includes looking for credentials, which takes seconds on some machines."""
_SLOWEST_BYTES_A_S: Final = 1e6
"""What is slower than this is not waited for: an object may take so long and `_ASK_S`."""
_AWAY_S: Final = 30.0
_LONGEST_AWAY_S: Final = 300.0
"""How long a store that failed is left alone: the first time, and at most."""

T = TypeVar("T")


class StageStore:
    """Objects by name, each a sealed folder packed into one file.

    An object that is damaged, cut short or hostile is taken for one that is not there. So is every
    object while the store is away: after a failure, nothing is tried for 30 s, and for twice as
    long after each further one. `tell` hears once that it is away, and once that it is back.
    """

    def __init__(
        self,
        url: str,
        tell: Callable[[str], object],
        *,
        ask_s: float = _ASK_S,
        away_s: float = _AWAY_S,
    ) -> None:
        """Raise InputError when no such URL can be opened; a store that is away is no error."""
        _check(url)
        self._url = url
        self._tell = tell
        self._ask_s = ask_s
        self._away_s = away_s
        self._opened: tuple[Any, str] | None = None
        self._failures = 0
        self._away_until = 0.0

    @property
    def is_away(self) -> bool:
        """Whether nothing is tried now."""
        return time.monotonic() < self._away_until

    @property
    def stays_away(self) -> bool:
        """Whether it failed twice in a row: more than a short disturbance."""
        return self._failures > 1

    def fetch(self, name: str, aside: Path) -> Path | None:
        """Return the folder of an object, unpacked in `aside` and verified; None without it."""
        archive = aside / "packed.zip"
        if not self._tried(lambda: self._download(name, archive)):
            return None
        return unpack(archive, aside)

    def put(self, name: str, folder: Path) -> bool:
        """Put a sealed folder, in one piece and in place of an older one; say whether it went."""
        if self.is_away:
            return False
        with writing_aside(folder.with_name(f"{folder.name}.packed")) as aside:
            archive = aside / "packed.zip"
            try:
                pack(folder, archive)
            except (DamagedError, OSError):  # Nothing that the store is to blame for.
                return False
            return self._tried(lambda: self._upload(archive, name))

    def drop(self, name: str) -> None:
        """Delete an object, if it is there."""
        self._tried(lambda: self._delete(name))

    def _download(self, name: str, archive: Path) -> bool:
        size_bytes = self._ask(name)
        if size_bytes is None:
            return False
        files, root = self._open()
        self._limited(lambda: files.get_file(f"{root}/{name}", str(archive)), size_bytes)
        return True

    def _upload(self, archive: Path, name: str) -> bool:
        self._ask(name)  # One that hangs is found out at once, and not after a long time limit.
        files, root = self._open()
        put = _replace_file if _is_local(files) else files.put_file
        self._limited(lambda: put(str(archive), f"{root}/{name}"), archive.stat().st_size)
        return True

    def _delete(self, name: str) -> bool:
        if self._ask(name) is None:
            return False
        files, root = self._open()
        self._limited(lambda: files.rm_file(f"{root}/{name}"))
        return True

    def _ask(self, name: str) -> int | None:
        """Return an object's bytes, None when it is not there."""

        def ask() -> int | None:
            files, root = self._open()
            files.invalidate_cache()  # Others put and delete.
            try:
                return int(files.info(f"{root}/{name}")["size"])
            except FileNotFoundError:
                return None

        return self._limited(ask)

    def _open(self) -> tuple[Any, str]:
        """Return fsspec's file system and our folder in it; may ask a server for credentials."""
        if self._opened is None:
            from fsspec.core import url_to_fs

            # A new one: fsspec would hand out the one that waits for its connection for ever.
            files, root = url_to_fs(self._url, skip_instance_cache=True)
            self._opened = files, root.rstrip("/")
        return self._opened

    def _limited(self, do: Callable[[], T], size_bytes: int = 0) -> T:
        """Return what `do` returns, which is left to itself when it takes too long."""
        limit_s = self._ask_s + size_bytes / _SLOWEST_BYTES_A_S
        outcome: Future[T] = Future()

        def run() -> None:
            try:
                outcome.set_result(do())
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                outcome.set_exception(error)

        # Not of a pool, whose threads are waited for when the process ends.
        threading.Thread(target=run, daemon=True, name="shared cache").start()
        try:
            return outcome.result(limit_s)
        except TimeoutError as error:
            if outcome.done():  # It was raised by `do`.
                raise
            raise TimeoutError(f"no answer within {limit_s:.0f} s") from error

    def _tried(self, do: Callable[[], bool]) -> bool:
        """Return what `do` returns, and False while the store is away or when it fails."""
        if self.is_away:
            return False
        try:
            done = do()
        except Exception as error:  # noqa: BLE001 - every library raises errors of its own
            self._failed(error)
            return False
        if self._failures:
            self._failures = 0
            self._tell(f"the shared cache {_shown(self._url)} is back")
        return done

    def _failed(self, error: Exception) -> None:
        # A connection that hangs may hold a lock that the next one would wait for.
        self._opened = None
        away_s = min(self._away_s * 2**self._failures, _LONGEST_AWAY_S)
        self._away_until = time.monotonic() + away_s
        self._failures += 1
        if self._failures == 1:
            self._tell(
                f"the shared cache {_shown(self._url)} is away ({printable(in_one_line(error))}): "
                "nothing is shared until it is back"
            )


def _check(url: str) -> None:
    """Raise InputError, which says what to install, when fsspec opens no such URL."""
    protocol, _, rest = url.partition("://")
    # `file://folder/…` names a host, and fsspec would take it for a folder of the current one.
    if not rest.strip("/") or (protocol == "file" and not rest.startswith("/")):
        raise InputError(
            f"a shared cache is s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or file:///FOLDER, got "
            f"{printable(_shown(url))}"
        )
    try:
        from fsspec import get_filesystem_class

        get_filesystem_class(protocol)
    except (ImportError, ValueError) as error:
        raise InputError(
            f"the shared cache {printable(_shown(url))} cannot be opened: "
            f"{printable(in_one_line(error))}; pip install 'distilfront[shared]' brings s3://, and "
            "gcsfs gs://"
        ) from error


def _shown(url: str) -> str:
    """Return the URL without the password that it may have."""
    return re.sub(r"(//[^/@:]*):[^/@]*@", r"\1:***@", url)


def _is_local(files: Any) -> bool:
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(files, LocalFileSystem)


def _replace_file(source: str, target: str) -> None:
    """Copy a file so that nobody reads half of it: stores of objects do so by themselves."""
    path = Path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex}.aside")
    try:
        shutil.copyfile(source, aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
