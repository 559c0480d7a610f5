"""Locks that a process holds only while it lives, so that a killed one leaves nothing behind."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import sqlalchemy
from optuna.storages import RDBStorage

from objectives import FileLock
from spaces import DistilfrontError, InputError

Lock = Callable[[], AbstractContextManager[object]]
"""Entered, it keeps every other process that enters it waiting. It cannot be entered twice."""

_PATIENCE_S = 120
"""How long to wait for a lock; what is done under one takes seconds."""


def study_lock(storage: RDBStorage, name: str) -> Lock:
    """Return the lock of the study `name`: it lies where the study lies, whoever opens it.

    SQLite: a file beside the database. PostgreSQL and MySQL: an advisory lock of the server's, so
    that workers on several machines need no shared folder.
    """
    if storage.engine.dialect.name == "sqlite":
        return partial(FileLock, Path(f"{storage.engine.url.database}.lock"))
    return partial(server_lock, storage.engine, f"study {name}")


@contextmanager
def server_lock(engine: sqlalchemy.Engine, what: str) -> Iterator[None]:
    """Hold the advisory lock called `what` in the database of a PostgreSQL or MySQL server.

    It belongs to a connection, and so it ends with the process.
    """
    backend = engine.dialect.name
    if backend not in _SERVER_LOCKS:
        raise InputError(f"a storage is SQLite, PostgreSQL or MySQL, got {backend}")
    prepare, acquire, release = _SERVER_LOCKS[backend]
    digest = hashlib.sha256(f"distilfront {what}".encode()).digest()
    key = int.from_bytes(digest[:8], signed=True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(prepare)
        if connection.execute(sqlalchemy.text(acquire), {"key": key}).scalar() == 0:
            raise DistilfrontError(f"the {what} stayed locked for {_PATIENCE_S} s")
        try:
            yield
        finally:
            connection.execute(sqlalchemy.text(release), {"key": key})


_SERVER_LOCKS = {
    # pg_advisory_lock returns nothing and raises when the time is over.
    "postgresql": (
        f"SET lock_timeout = '{_PATIENCE_S}s'",
        "SELECT pg_advisory_lock(:key)",
        "SELECT pg_advisory_unlock(:key)",
    ),
    "mysql": (
        "DO 0",
        f"SELECT GET_LOCK(:key, {_PATIENCE_S})",
        "SELECT RELEASE_LOCK(:key)",
    ),
}
"""By backend: statements that prepare a connection, take the lock and let go of it."""
