"""Opens the database that a study lies in, made safe for several processes."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import exc

from objectives import FileLock
from spaces import InputError
from studies.locks import removed, server_lock
from studies.paths import usable
from studies.patience import Tell, be_patient, first_line
from studies.stored_trials import READS_ONLY

_BUSY_TIMEOUT_S = 60

_DRIVERS = {
    "postgresql": ("postgresql+psycopg", "pip install 'distilfront[postgres]'"),
    "mysql": ("mysql+pymysql", "pip install pymysql"),
}
"""By database: the driver when the URL names none, and how to get it."""

_POOL: dict[str, object] = {"pool_pre_ping": True, "pool_size": 1, "max_overflow": 4}
"""A server has some hundred connections for all workers: each keeps one. More are for the moment in
which it holds a lock, or says that it lives."""

_CORE_TABLES = frozenset(
    {"studies", "trials", "trial_user_attributes", "version_info", "alembic_version"}
)
_LAST_TABLE = ("alembic_version",)
_OPTUNA_TABLES = _CORE_TABLES | {
    "study_directions",
    "study_system_attributes",
    "study_user_attributes",
    "trial_heartbeats",
    "trial_intermediate_values",
    "trial_params",
    "trial_system_attributes",
    "trial_values",
}
"""Fewer than the core ones, and no others: their maker was killed before it had made them all."""


def open_storage(
    target: str | Path, *, must_exist: bool = False, tell: Tell | None = None
) -> RDBStorage:
    """Open an SQLite file (a path) or a database URL, and make Optuna's tables where none are.

    must_exist: refuse a database without studies instead of making one; it is left as it is. tell:
    hears of a server that refuses, now or later, which is asked again for a minute; None gives up
    at once.
    Raises InputError when it cannot be reached or written, its driver is missing, or it holds
    something else than Optuna's studies; nothing is written to it then.
    """
    url = _parsed(target)
    with _told(url):
        if not _has_studies(url, tell) and must_exist:
            raise InputError(f"there are no studies in {_shown(url)}: search.run makes one")
        if not _is_sqlite(url):
            return _open_server(url, tell)
        return _open_sqlite(_file(url), url, as_it_is=must_exist)


def holds_studies(target: str | Path) -> bool:
    """Say whether a storage has Optuna's tables; writes nothing. Raises as `open_storage` does."""
    url = _parsed(target)
    with _told(url):
        return _has_studies(url)


def _has_studies(url: sqlalchemy.URL, tell: Tell | None = None) -> bool:
    """Raise InputError where there are tables, and none of Optuna's."""
    tables = _sqlite_tables(_file(url)) if _is_sqlite(url) else _server_tables(url, tell)
    if not (tables >= _CORE_TABLES or tables <= _OPTUNA_TABLES):
        raise InputError(
            f"{_shown(url)} is not a database of studies: it has the tables "
            f"{', '.join(sorted(tables)[:5])}; give an empty one or one that Optuna made"
        )
    return tables >= _CORE_TABLES


def _is_sqlite(url: sqlalchemy.URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _file(url: sqlalchemy.URL) -> Path:
    return Path(str(url.database))


def _shown(url: sqlalchemy.URL) -> str:
    return str(_file(url)) if _is_sqlite(url) else str(url)


@contextmanager
def _told(url: sqlalchemy.URL) -> Iterator[None]:
    """Raise InputError, which names the storage, for what its database or driver raises."""
    shown = _shown(url)
    try:
        yield
    except ModuleNotFoundError as error:
        _, how = _DRIVERS.get(url.get_backend_name(), ("", "install it"))
        raise InputError(f"{shown} needs the driver {error.name}: {how}") from error
    except (exc.SQLAlchemyError, StorageInternalError, sqlite3.Error, OSError) as error:
        raise InputError(f"cannot use the storage {shown}: {first_line(error)}") from error


def _parsed(target: str | Path) -> sqlalchemy.URL:
    try:
        if isinstance(target, Path) or "://" not in target:
            url = sqlalchemy.URL.create("sqlite", database=str(target))
        else:
            url = sqlalchemy.make_url(target)
        backend = url.get_backend_name()
    except (exc.SQLAlchemyError, ValueError) as error:
        raise InputError(f"not a storage URL: {first_line(error)}") from error
    # Of SQLite's drivers, ours is the one that Python has.
    if url.drivername not in {"sqlite", "sqlite+pysqlite"} and backend not in _DRIVERS:
        raise InputError(
            f"a storage is sqlite:///FILE, postgresql://… or mysql://…, got {url.drivername}://"
        )
    if backend == "sqlite":
        if (url.database or "").strip() in {"", ":memory:"}:
            raise InputError("a study outlives its process: an SQLite storage needs a file")
        usable(_file(url))
    if url.drivername in _DRIVERS:
        url = url.set(drivername=_DRIVERS[url.drivername][0])
    return url


def _open_sqlite(file: Path, url: sqlalchemy.URL, *, as_it_is: bool) -> RDBStorage:
    """Open an SQLite file, which has its tables where `as_it_is`, and which then stays as it is.

    Every transaction that may write begins with BEGIN IMMEDIATE. By default a transaction takes the
    write lock at its first write. Two that have read by then both act on what they read (a waiting
    trial runs twice), or one of them fails ("database is locked") without any wait. See
    "Serializable isolation / Savepoints / Transactional DDL" in SQLAlchemy's chapter on SQLite.
    """
    settings: dict[str, object] = {"connect_args": {"timeout": _BUSY_TIMEOUT_S}}
    if as_it_is:
        storage = _make(url, settings)
    else:
        with FileLock(Path(f"{file}.lock")):
            _use_write_ahead_log(file)
            storage = _make(url, settings)

    opened = _identity(file)

    # Not earlier: while it opens, Optuna begins a transaction within another of its own.
    @sqlalchemy.event.listens_for(storage.engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # Transactions are begun below.
        # With a write-ahead log this keeps the file whole, and all that a killed process had
        # written; when the power goes, the last trials may be told again, from the stage cache.
        connection.execute("PRAGMA synchronous = NORMAL")

    @sqlalchemy.event.listens_for(storage.engine, "begin")
    def _begin_immediate(connection: sqlalchemy.Connection) -> None:
        # SQLite goes on writing to a file that was removed, or whose folder was, and nobody would
        # ever read it.
        if _identity(file) != opened:
            raise removed(file)
        reads_only = connection.get_execution_options().get(READS_ONLY, False)
        connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")

    storage.engine.dispose()  # Connections from before know nothing of this.
    return storage


def _identity(file: Path) -> tuple[int, int] | None:
    """Return what tells a file from another of its name, None where there is none."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _open_server(url: sqlalchemy.URL, tell: Tell | None) -> RDBStorage:
    engine = _engine(url, tell)
    try:
        # Optuna looks for its tables before it makes them, so one process at a time may.
        with server_lock(engine, "tables"):
            storage = _make(url, _POOL)
    finally:
        engine.dispose()
    if tell is not None:
        be_patient(storage.engine, tell)
    return storage


def _engine(url: sqlalchemy.URL, tell: Tell | None) -> sqlalchemy.Engine:
    engine = sqlalchemy.create_engine(url)
    if tell is not None:
        be_patient(engine, tell)
    return engine


def _make(url: sqlalchemy.URL, engine_kwargs: dict[str, object]) -> RDBStorage:
    # Optuna reads `{SCHEMA_VERSION}` in a URL as a template.
    text = url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
    storage = RDBStorage(text, engine_kwargs, skip_compatibility_check=True)
    has, needs = storage.get_current_version(), storage.get_head_version()
    if has != needs:
        storage.engine.dispose()
        raise InputError(
            f"the tables of {url} are of Optuna's schema {has}, and this Optuna needs {needs}: "
            "`optuna storage upgrade --storage URL` renews older ones"
        )
    return storage


def _sqlite_tables(path: Path) -> set[str]:
    """Return the tables of an SQLite file, none when it is missing; writes nothing.

    Without the one that Optuna fills last, while it is empty: somebody makes them at this moment,
    and who opened the file as well would be in the way.
    """
    if not path.parent.is_dir():
        raise InputError(f"cannot make the database {path}: there is no folder {path.parent}")
    if not path.exists():
        if left := [log for log in map(Path, (f"{path}-wal", f"{path}-shm")) if log.exists()]:
            raise InputError(
                f"{path} is missing, and what it had not taken in yet lies beside it: put it back, "
                f"or remove {' and '.join(map(str, left))} to begin anew"
            )
        return set()
    # SQLite alone may open the file: to close another handle of it would drop the locks that this
    # process holds on it ("How To Corrupt An SQLite Database File", 2.2).
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        if (
            _LAST_TABLE in rows
            and not connection.execute("SELECT 1 FROM alembic_version").fetchall()
        ):
            rows.remove(_LAST_TABLE)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_NOTADB:
            raise
        raise InputError(f"{path} is not an SQLite database") from error
    finally:
        connection.close()
    return {str(name) for (name,) in rows}


def _server_tables(url: sqlalchemy.URL, tell: Tell | None) -> set[str]:
    engine = _engine(url, tell)
    try:
        return set(sqlalchemy.inspect(engine).get_table_names())
    finally:
        engine.dispose()


def _use_write_ahead_log(path: Path) -> None:
    """Let readers go on while one writes; kept in the file, so once would do.

    The switch needs the file to itself and does not wait for it, so we do.
    """
    deadline = time.monotonic() + _BUSY_TIMEOUT_S
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S)
    try:
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return
    finally:
        connection.close()
