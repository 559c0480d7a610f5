"""What stages of the chain have already produced, kept on disk under what decided it. No torch."""

import os
import shutil
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from objectives.file_lock import FileLock
from objectives.sealed_folder import (
    MANIFEST,
    DamagedError,
    open_sealed,
    seal,
    size_bytes,
    writing_aside,
)
from spaces import InputError


@dataclass(frozen=True)
class Entry:
    """A finished stage."""

    key: str
    folder: Path
    notes: dict[str, Any]
    """What the stage wrote beside its files: plain JSON values."""

    def path(self, name: str) -> Path:
        """Return the path of one of the entry's files or folders."""
        return self.folder / name


@dataclass(frozen=True)
class Checkpoint:
    """A stage as it stood after an epoch."""

    folder: Path
    notes: dict[str, Any]


class Draft:
    """A stage in the making: its builder alone holds it, and it outlives the builder's death."""

    def __init__(self, key: str, entry: Path, partial: Path) -> None:
        self.key = key
        self.entry = entry
        self.partial = partial
        self.after_checkpoint: Callable[[Path], object] | None = None
        """Hears of every checkpoint that was saved."""

    def newest(self) -> Path | None:
        """Return the folder of the last epoch that was saved."""
        return max(self.partial.glob("epoch-??????"), default=None)

    def checkpoint(self) -> Checkpoint | None:
        """Return the last epoch that was saved whole; a damaged one is set aside."""
        newest = self.newest()
        if newest is None:
            return None
        try:
            found = open_sealed(newest)
            if found is not None:
                found.verify()
                return Checkpoint(newest, found.notes)
        except DamagedError:
            _set_aside(newest)
        return None

    @contextmanager
    def saving_checkpoint(self, epoch: int, notes: dict[str, Any]) -> Iterator[Path]:
        """Give a folder for the files of finished `epoch`; earlier epochs are dropped after it."""
        folder = self.partial / f"epoch-{epoch:06d}"
        with writing_aside(folder) as aside:
            yield aside
            shutil.rmtree(folder, ignore_errors=True)
            seal(aside, folder, notes)
        for other in self.partial.glob("epoch-??????"):
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
        if self.after_checkpoint is not None:
            self.after_checkpoint(folder)

    @contextmanager
    def publishing(self, notes: dict[str, Any]) -> Iterator[Path]:
        """Give a folder for the stage's files, which are the entry when the block ends."""
        with writing_aside(self.entry) as aside:
            yield aside
            seal(aside, self.entry, notes)
        shutil.rmtree(self.partial, ignore_errors=True)


@dataclass(frozen=True)
class Dropped:
    """What went, or would go, when a cache was cleaned."""

    stages: int
    """Folders: finished stages, unfinished ones and leftovers."""
    bytes: int
    in_use: int
    """Folders that somebody uses right now, and which therefore stay."""


Build = Callable[[Draft], bool]
"""Builds a stage in a draft and publishes it; False when it was left unfinished on purpose."""


class Sharing(Protocol):
    """What a cache has of the stages that other machines made."""

    def make(self, draft: Draft, build: Build, lock: FileLock) -> bool:
        """Have the entry of `draft`, from elsewhere or built; False when it was left unfinished.

        lock: what protects the entry later, when its builder has let go of it.
        """
        ...


class StageCache:
    """Entries by key, shared by processes: one builder at a time, bounded in bytes.

    shared: where other machines' stages are found; None keeps to this folder.
    Over `max_bytes` the least recently used go first, never one that is leased or in `keep`.
    Raises InputError when the folder cannot be written.
    """

    def __init__(self, folder: Path, max_bytes: int, shared: Sharing | None = None) -> None:
        self._entries = folder / "entries"
        self._partials = folder / "partial"
        self._locks = folder / "locks"
        self._max_bytes = max_bytes
        self._shared = shared
        self._verified: dict[str, int] = {}
        self.keep: frozenset[str] = frozenset()
        """Keys that are never dropped by this process, whatever their age."""
        try:
            for part in (self._entries, self._partials, self._locks):
                part.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"the cache folder {folder} cannot be written: {error.strerror}"
            ) from error

    def has(self, key: str) -> bool:
        """Whether the stage is finished, by its manifest and file sizes alone."""
        try:
            return open_sealed(self._entries / key) is not None
        except DamagedError:
            return False

    def obtain(self, key: str, build: Build, leases: ExitStack) -> Entry | None:
        """Return the entry, built when it is not there, and protected until `leases` closes.

        Waits for another process that builds it. None when `build` left it unfinished.
        """
        built = False
        while True:
            lock = FileLock(self._locks / key)
            lock.acquire(shared=True)
            entry = self._find(key)
            if entry is not None:
                leases.callback(lock.release)
                if built:  # Not before it is leased: it might be the one to go.
                    self.evict()
                return entry
            lock.release()
            with FileLock(self._locks / key):
                if self._find(key) is None and not self._build(key, build):
                    return None
            built = True

    def evict(self) -> None:
        """Drop the least recently used until the cache is within its bytes again."""
        found = [*_folders(self._entries), *_folders(self._partials)]
        sizes = {folder: size_bytes(folder) for folder in found}
        excess = sum(sizes.values()) - self._max_bytes
        for folder in sorted(found, key=_last_used) if excess > 0 else ():
            if _key(folder) in self.keep or not self._drop(folder):
                continue
            excess -= sizes[folder]
            if excess <= 0:
                return

    def drop_all_but(self, needed: Container[str], *, dry_run: bool = False) -> Dropped:
        """Drop what has none of the keys `needed`, and leftovers, unless somebody uses it.

        dry_run: only count what would go.
        """
        stages, dropped, in_use = 0, 0, 0
        for folder in [*_folders(self._entries), *_folders(self._partials)]:
            if folder.name in needed:
                continue
            weight = size_bytes(folder)
            if self._drop(folder, dry_run=dry_run):
                stages, dropped = stages + 1, dropped + weight
            else:
                in_use += 1
        return Dropped(stages, dropped, in_use)

    def _drop(self, folder: Path, *, dry_run: bool = False) -> bool:
        """Delete `folder` and return True, or False when somebody uses it."""
        lock = FileLock(self._locks / _key(folder))
        if not lock.acquire(wait=False):
            return False
        try:
            if not dry_run:
                _remove(folder)
        finally:
            lock.release()
        return True

    def _build(self, key: str, build: Build) -> bool:
        entry = self._entries / key
        if entry.is_dir():  # not found, yet there: damaged
            _set_aside(entry)
        draft = Draft(key, entry, self._partials / key)
        if self._shared is None:
            return build(draft)
        return self._shared.make(draft, build, FileLock(self._locks / key))

    def _find(self, key: str) -> Entry | None:
        folder = self._entries / key
        try:
            found = open_sealed(folder)
            if found is None:
                return None
            # Checksums are read once per process and manifest: later look-ups stay fast.
            sealed_at = (folder / MANIFEST).stat().st_ctime_ns
            if self._verified.get(key) != sealed_at:
                found.verify()
            os.utime(folder)
        except (DamagedError, FileNotFoundError):
            return None
        self._verified[key] = sealed_at
        return Entry(key, folder, found.notes)


def _folders(parent: Path) -> Iterable[Path]:
    return (folder for folder in parent.iterdir() if folder.is_dir())


def _key(folder: Path) -> str:
    """Return the key of an entry, of one in the making, or of what was left aside of one."""
    return folder.name.partition(".")[0]


def _last_used(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _set_aside(folder: Path) -> None:
    """Rename a damaged folder so that it can be looked at and no longer stands in the way."""
    target = folder.with_name(f"{folder.name}.damaged")
    shutil.rmtree(target, ignore_errors=True)
    folder.rename(target)


def _remove(folder: Path) -> None:
    """Delete `folder` so that no half of it can be taken for an entry."""
    going = folder.with_name(f"{folder.name}.aside")
    shutil.rmtree(going, ignore_errors=True)
    if folder != going:
        folder.rename(going)
        shutil.rmtree(going, ignore_errors=True)
