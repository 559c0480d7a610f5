"""Machines that share stages, and how they build: no torch, so that processes begin quickly."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import sqlalchemy

from objectives import SharedStages, StageCache, StageStore
from objectives.chain import shared_stages
from objectives.chain.cache import Build, Draft, Entry
from studies import StageLeases, open_storage

MANY = 2**40


class Machine:
    """A cache folder of its own, one store and one database."""

    def __init__(
        self,
        folder: Path,
        url: str,
        engine: sqlalchemy.Engine,
        *,
        stale_s: float = 30.0,
        ask_s: float = 10.0,
        away_s: float = 30.0,
    ) -> None:
        self.told: list[str] = []
        self.folder = folder
        store = StageStore(url, self.told.append, ask_s=ask_s, away_s=away_s)
        self.leases = StageLeases(engine, stale_s=stale_s)
        self.shared = SharedStages(store, self.leases)
        self.cache = StageCache(folder, MANY, self.shared)

    def obtain(self, key: str, build: Build) -> Entry | None:
        with ExitStack() as leases:
            return self.cache.obtain(key, build, leases)

    def text(self, key: str, build: Build) -> str:
        entry = self.obtain(key, build)
        assert entry is not None
        return entry.path("result").read_text()


@contextmanager
def machines(folder: Path, url: str, target: str = "", **options: float) -> Iterator[list[Machine]]:
    """Yield three machines whose caches lie in `folder`, and the database too unless it is told."""
    storage = open_storage(target or str(folder / "leases.db"))
    names = ("one", "two", "three")
    yield [Machine(folder / name, url, storage.engine, **options) for name in names]
    storage.engine.dispose()


def builds(text: str) -> Build:
    def build(draft: Draft) -> bool:
        with draft.publishing({}) as folder:
            (folder / "result").write_text(text)
        return True

    return build


def never(draft: Draft) -> bool:
    raise AssertionError(f"{draft.key} must not be built")


def trains(until: int, seen: list[int], stop_at: int | None = None) -> Build:
    """Build from the last checkpoint on, one checkpoint an epoch; `seen` hears where it began."""

    def build(draft: Draft) -> bool:
        found = draft.checkpoint()
        epoch = 0 if found is None else int((found.folder / "state").read_text())
        seen.append(epoch)
        while epoch < until:
            epoch += 1
            with draft.saving_checkpoint(epoch, {"epoch": epoch}) as folder:
                (folder / "state").write_text(str(epoch))
            if epoch == stop_at:
                return False
        return builds(f"after {epoch}")(draft)

    return build


def wants_all(folder: Path, url: str, target: str, log: Path, first: int) -> None:
    def build(draft: Draft) -> bool:
        with log.open("a") as lines:
            lines.write(f"{draft.key}\n")
        time.sleep(0.2)
        return builds(draft.key)(draft)

    keys = [str(number) for number in range(4)]
    with machines(folder, url, target) as (machine, *_):
        for key in (*keys[first:], *keys[:first]):
            assert machine.text(key, build) == key


def hangs_after_epoch_3(folder: Path, url: str, target: str, ready: Path) -> None:
    shared_stages._SENT_EVERY_S, shared_stages._MOST_OF_TRAINING = 0.0, 1e9

    def build(draft: Draft) -> bool:
        trains(9, [], stop_at=3)(draft)
        ready.touch()
        time.sleep(600)
        return False

    with machines(folder, url, target, stale_s=2) as (machine, *_):
        machine.obtain("a", build)
