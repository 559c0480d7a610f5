"""Who trains which stage, in the database of the study: one machine at a time, while it lives."""

import threading
import time
import uuid
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import sqlalchemy
from sqlalchemy import exc

from spaces import DistilfrontError
from studies.locks import server_lock
from studies.server_clock import NOW_S
from studies.stored_trials import READS_ONLY

STALE_S: Final = 30.0
"""A lease that was not renewed for so long is anybody's."""
_RENEWALS: Final = 6
"""In that time: some may fail while the database restarts."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.05, 1.0
_WAIT_WHILE_AWAY_S = 5.0
_WAIT_AT_MOST_S = 30.0
"""How long `wait` waits: who trains may be cut off from the database, and finish nevertheless."""

_LEASES = sqlalchemy.Table(
    "distilfront_stage_leases",
    sqlalchemy.MetaData(),
    sqlalchemy.Column("stage", sqlalchemy.String(64), primary_key=True),
    sqlalchemy.Column("holder", sqlalchemy.String(32), nullable=False),
    sqlalchemy.Column("renewed_s", sqlalchemy.Double, nullable=False),
)
"""`renewed_s` is in seconds of the server's clock: the clocks of workers differ."""

_PATIENCE_S = 5.0
"""How long to wait for a renewal that is under way when a lease ends."""

_AWAY = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError)
"""What is raised where a database cannot be asked now, and may be later."""


class StageLeases:
    """Leases of stages among all workers of a study's storage (`Leases` of `objectives`).

    Each question is a short transaction on a connection of the engine's: none is kept while a stage
    is trained or waited for.
    """

    def __init__(self, engine: sqlalchemy.Engine, *, stale_s: float = STALE_S) -> None:
        """Make the table where there is none."""
        self._engine = engine
        self._renew_every_s = stale_s / _RENEWALS
        self._now_s = sqlalchemy.literal_column(NOW_S[engine.dialect.name], sqlalchemy.Double)
        self._fresh = _LEASES.c.renewed_s > self._now_s - stale_s
        self._make_table()

    def try_acquire(self, key: str) -> "Lease | None":
        """Return the lease of a stage, None when another worker has it or the database is away."""
        holder = uuid.uuid4().hex
        with suppress(*_AWAY):
            if not self._is_held(key) and self._take(key, holder):
                return Lease(self, key, holder, self._renew_every_s)
        return None

    def wait(self, key: str) -> None:
        """Return when nobody has the lease of a stage any more, or after half a minute."""
        until, wait_s = time.monotonic() + _WAIT_AT_MOST_S, _FIRST_WAIT_S
        while time.monotonic() < until:
            time.sleep(wait_s)
            try:
                if not self._is_held(key):
                    return
            except _AWAY:
                wait_s = _WAIT_WHILE_AWAY_S
            else:
                wait_s = min(1.5 * wait_s, _LONGEST_WAIT_S)

    def renew(self, key: str, holder: str) -> None:
        """Say that the holder lives; nothing happens when the lease was taken over."""
        change = _LEASES.update().values(renewed_s=self._now_s)
        with self._engine.begin() as connection:
            connection.execute(change.where(_is_of(key), _LEASES.c.holder == holder))

    def release(self, key: str, holder: str) -> None:
        """Give the lease back; nothing happens when it was taken over."""
        with self._engine.begin() as connection:
            connection.execute(_LEASES.delete().where(_is_of(key), _LEASES.c.holder == holder))

    def _is_held(self, key: str) -> bool:
        held = sqlalchemy.select(_LEASES.c.holder).where(_is_of(key), self._fresh)
        with self._engine.connect().execution_options(**{READS_ONLY: True}) as connection:
            return connection.execute(held).first() is not None

    def _take(self, key: str, holder: str) -> bool:
        """Take a lease that was let go or not renewed; False when another was quicker."""
        values = {"holder": holder, "renewed_s": self._now_s}
        try:
            with self._engine.begin() as connection:
                stale = _LEASES.update().where(_is_of(key), ~self._fresh).values(values)
                if connection.execute(stale).rowcount == 0:
                    connection.execute(_LEASES.insert().values(stage=key, **values))
        except exc.IntegrityError:
            return False
        return True

    def _make_table(self) -> None:
        if sqlalchemy.inspect(self._engine).has_table(_LEASES.name):
            return
        if self._engine.dialect.name == "sqlite":  # Looks and makes in one transaction.
            _LEASES.create(self._engine, checkfirst=True)
        else:
            with server_lock(self._engine, "tables"):
                _LEASES.create(self._engine, checkfirst=True)


class Lease:
    """A stage that this worker alone builds: renewed by a thread until the block ends.

    Where the database is away for long it may be lost, which costs a stage that is trained twice.
    """

    def __init__(self, leases: StageLeases, key: str, holder: str, renew_every_s: float) -> None:
        self._leases = leases
        self._whose = key, holder
        self._renew_every_s = renew_every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True, name=f"lease of {key}")
        self._thread.start()

    def _renew(self) -> None:
        while not self._ended.wait(self._renew_every_s):
            with suppress(*_AWAY, DistilfrontError):
                self._leases.renew(*self._whose)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        with suppress(*_AWAY):  # It is anybody's soon.
            self._leases.release(*self._whose)
        self._thread.join(_PATIENCE_S)


def _is_of(key: str) -> sqlalchemy.ColumnElement[bool]:
    return _LEASES.c.stage == key
