"""Stages that many machines make once: fetched from a store, or built under a lease. No torch."""

import time
from contextlib import AbstractContextManager, nullcontext
from fnmatch import fnmatch
from pathlib import Path
from typing import Final, Protocol

from objectives.chain.cache import Build, Draft
from objectives.chain.stage_store import StageStore
from objectives.file_lock import FileLock
from objectives.sealed_folder import writing_aside

_SENT_EVERY_S: Final = 10.0
"""What a machine that dies costs the others at most, beside the epoch it was in."""
_MOST_OF_TRAINING: Final = 0.05
"""Of the time, in sending checkpoints: with large ones or a slow store they are sent less often."""
_MOST_OWED: Final = 100
_CATCH_UP_S: Final = 10.0
"""How many entries are put later when the store was away, and for how long at a time."""


class Leases(Protocol):
    """Who builds which stage, among all machines."""

    def try_acquire(self, key: str) -> AbstractContextManager[object] | None:
        """Return the lease of a stage, held until its block ends.

        None when another has it, or when nobody can tell.
        """
        ...

    def wait(self, key: str) -> None:
        """Return when nobody has the lease of a stage any more, or after some seconds."""
        ...


class SharedStages:
    """A store that stages are fetched from and put into, and the leases under which they are built.

    While the store is away every stage is built here; entries are put when it is back.
    """

    def __init__(self, store: StageStore, leases: Leases) -> None:
        self._store = store
        self._leases = leases
        self._owed: dict[str, tuple[Path, FileLock]] = {}

    def make(self, draft: Draft, build: Build, lock: FileLock) -> bool:
        """Have the entry of `draft`, from elsewhere or built; False when it was left unfinished.

        lock: what protects the entry later, when its builder has let go of it.
        """
        self._put_owed()
        while not self._fetch_entry(draft):
            lease = self._leases.try_acquire(draft.key)
            # What another builds cannot be had from a store that stays away.
            if lease is None and not self._store.stays_away:
                self._leases.wait(draft.key)
                continue
            with lease or nullcontext():
                # It may have been put after we looked, before its lease was let go.
                return self._fetch_entry(draft) or self._build(draft, build, lock)
        return True

    def _build(self, draft: Draft, build: Build, lock: FileLock) -> bool:
        sender = _CheckpointSender(self._store, draft, self._fetch_checkpoint(draft))
        draft.after_checkpoint = sender.saved
        if not build(draft):
            sender.left_unfinished()
            return False
        self._put(draft.key, draft.entry, lock)
        return True

    def _put(self, key: str, entry: Path, lock: FileLock) -> None:
        """Put a finished entry, now or later, in place of its checkpoint."""
        if self._store.put(_entry(key), entry):
            self._store.drop(_partial(key))
        elif self._store.is_away:
            self._owed[key] = entry, lock
            if len(self._owed) > _MOST_OWED:
                del self._owed[next(iter(self._owed))]

    def _fetch_entry(self, draft: Draft) -> bool:
        with writing_aside(draft.entry) as aside:
            found = self._store.fetch(_entry(draft.key), aside)
            if found is None or found.name != draft.key:
                return False
            found.rename(draft.entry)
        return True

    def _fetch_checkpoint(self, draft: Draft) -> Path | None:
        """Return the checkpoint that others left, None where one here is as far."""
        here = draft.newest()
        with writing_aside(draft.partial) as aside:
            found = self._store.fetch(_partial(draft.key), aside)
            if found is None or not fnmatch(found.name, "epoch-??????"):
                return None
            if here is not None and here.name >= found.name:
                return None
            draft.partial.mkdir(exist_ok=True)
            return found.rename(draft.partial / found.name)

    def _put_owed(self) -> None:
        """Put entries that the store was away for, those that are still there."""
        until = time.monotonic() + _CATCH_UP_S
        while self._owed and time.monotonic() < until and not self._store.is_away:
            key, (entry, lock) = self._owed.popitem()
            # Where others have the lock it is being dropped, or built again.
            if lock.acquire(shared=True, wait=False):
                try:
                    self._put(key, entry, lock)
                finally:
                    lock.release()


class _CheckpointSender:
    """Puts the checkpoints of one stage, not all of them."""

    def __init__(self, store: StageStore, draft: Draft, sent: Path | None) -> None:
        """sent: the checkpoint that lies in the store."""
        self._store = store
        self._draft = draft
        self._sent = sent
        self._not_before = time.monotonic() + _SENT_EVERY_S

    def saved(self, checkpoint: Path) -> None:
        """Put a checkpoint, unless one was put shortly before."""
        begun = time.monotonic()
        if begun < self._not_before:
            return
        if self._store.put(_partial(self._draft.key), checkpoint):
            self._sent = checkpoint
        took_s = time.monotonic() - begun
        self._not_before = begun + max(_SENT_EVERY_S, took_s / _MOST_OF_TRAINING)

    def left_unfinished(self) -> None:
        """Put the last checkpoint, for whoever goes on."""
        newest = self._draft.newest()
        if newest is not None and newest != self._sent:
            self._store.put(_partial(self._draft.key), newest)


def _entry(key: str) -> str:
    return f"entries/{key}"


def _partial(key: str) -> str:
    return f"partial/{key}"
