"""Locks that a process holds only while it lives, so that a killed one leaves nothing behind."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path

import sqlalchemy
from optuna.storages import RDBStorage
from sqlalchemy import exc

from objectives import FileLock
from spaces import DistilfrontError, InputError

Lock = Callable[[], AbstractContextManager[object]]
"""Entered, it keeps every other process that enters it waiting. It cannot be entered twice."""

_PATIENCE_S = 120
"""How long to wait for a claim; what is done under its lock takes seconds."""
_LONG_PATIENCE_S = 24 * 3600
"""How long to wait until a study is prepared: latencies may be measured for minutes, on a slow
device for hours. Who dies meanwhile lets go at once."""


def study_lock(storage: RDBStorage, name: str) -> Lock:
    """Return the lock of the study `name`: it lies where the study lies, whoever opens it.

    SQLite: a file beside the database. PostgreSQL and MySQL: an advisory lock of the server's, so
    that workers on several machines need no shared folder.
    """
    return _lock(storage, "", f"study {name}", _PATIENCE_S)


def preparation_lock(storage: RDBStorage, name: str) -> Lock:
    """Return the lock under which what all trials of the study `name` share is made, once.

    It lies where `study_lock` does and may be held for long; claims go on meanwhile.
    """
    return _lock(storage, ".preparation", f"preparation of study {name}", _LONG_PATIENCE_S)


def _lock(storage: RDBStorage, suffix: str, what: str, patience_s: int) -> Lock:
    if storage.engine.dialect.name == "sqlite":
        return partial(_file_lock, Path(str(storage.engine.url.database)), suffix)
    return partial(server_lock, storage.engine, what, patience_s)


@contextmanager
def _file_lock(database: Path, suffix: str) -> Iterator[None]:
    """Hold the lock beside an SQLite database, whose folder is not made again if it was removed."""
    if not database.exists():
        raise removed(database)
    with FileLock(Path(f"{database}{suffix}.lock")):
        yield


def removed(database: Path) -> DistilfrontError:
    """Return what to raise where an SQLite database is gone that was there before."""
    return DistilfrontError(
        f"the database {database} was removed or replaced while it was in use, and what it held "
        "with it; nothing was written to what may be there now"
    )


@contextmanager
def server_lock(
    engine: sqlalchemy.Engine, what: str, patience_s: int = _PATIENCE_S
) -> Iterator[None]:
    """Hold the advisory lock called `what` in the database of a PostgreSQL or MySQL server.

    It belongs to a connection, and so it ends with the process. Raises the driver's error where
    that was cut off meanwhile: others may have held the lock since.
    """
    backend = engine.dialect.name
    if backend not in _SERVER_LOCKS:
        raise InputError(f"a storage is SQLite, PostgreSQL or MySQL, got {backend}")
    prepare, acquire, release = _SERVER_LOCKS[backend]
    digest = hashlib.sha256(f"distilfront {what}".encode()).digest()
    key: int | str = int.from_bytes(digest[:8], signed=True)
    if backend == "mysql":
        key = str(key)  # MariaDB takes no number for the name that a lock has there.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(prepare.format(patience_s=patience_s))
        waiting = {"key": key, "patience_s": patience_s} if backend == "mysql" else {"key": key}
        if connection.execute(sqlalchemy.text(acquire), waiting).scalar() == 0:
            raise DistilfrontError(f"the {what} stayed locked for {patience_s} s")
        try:
            yield
        except BaseException:
            with suppress(exc.SQLAlchemyError):  # A connection that is gone holds nothing.
                connection.execute(sqlalchemy.text(release), {"key": key})
            raise
        connection.execute(sqlalchemy.text(release), {"key": key})


_SERVER_LOCKS = {
    # pg_advisory_lock returns nothing and raises when the time is over.
    "postgresql": (
        "SET lock_timeout = '{patience_s}s'",
        "SELECT pg_advisory_lock(:key)",
        "SELECT pg_advisory_unlock(:key)",
    ),
    "mysql": (
        "DO 0",
        "SELECT GET_LOCK(:key, :patience_s)",
        "SELECT RELEASE_LOCK(:key)",
    ),
}
"""By backend: statements that prepare a connection, take the lock and let go of it."""
