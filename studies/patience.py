"""A database server that refuses for a while, restarted or cut off, is asked again for a minute."""

import math
import time
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

import sqlalchemy
from sqlalchemy import exc

_PATIENCE_S = 60.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 8.0

_OF_LIBPQ: Final = {
    # A server that is cut off without a word is found out within a minute as well.
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_LIMITS: Final[dict[str, dict[str, int]]] = {
    "psycopg": _OF_LIBPQ,
    "psycopg2": _OF_LIBPQ,
    "pymysql": {"connect_timeout": 10},
    "mysqldb": {"connect_timeout": 10},
}
"""By driver: what it is told unless the URL says otherwise. Others call these something else."""

_refused_at: WeakKeyDictionary[sqlalchemy.Engine, float] = WeakKeyDictionary()
"""By engine: time.monotonic() of the last refusal, or of when it was made patient."""

Tell = Callable[[str], object]
"""Says to the person what is waited for."""


def be_patient(engine: sqlalchemy.Engine, tell: Tell) -> None:
    """Ask for every new connection of `engine` again while its server refuses, up to a minute.

    What uses a connection begins after it was tested and perhaps made anew, so nothing is done
    twice. `tell` hears of each outage, once a connection.
    """
    _refused_at[engine] = time.monotonic()
    limits = _LIMITS.get(engine.dialect.driver, {})
    given_up = False

    @sqlalchemy.event.listens_for(engine, "do_connect")
    def _connect(
        dialect: sqlalchemy.Dialect, _record: object, arguments: Any, options: dict[str, Any]
    ) -> object:
        nonlocal given_up
        until, wait_s = time.monotonic() + _PATIENCE_S, _FIRST_WAIT_S
        options = {**limits, **options}
        while True:
            try:
                connection = dialect.connect(*arguments, **options)
            except dialect.loaded_dbapi.OperationalError as error:
                _refused_at[engine] = time.monotonic()
                # Who was given up is not waited for again by what tidies up.
                if given_up or time.monotonic() + wait_s > until:
                    given_up = True
                    raise
                if wait_s == _FIRST_WAIT_S:
                    tell(
                        f"the database refuses ({first_line(error)}): it is asked again for up to "
                        f"{_PATIENCE_S:.0f} s"
                    )
            else:
                given_up = False
                return connection
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S, max(_FIRST_WAIT_S, until - time.monotonic()))


def steady_s(engine: sqlalchemy.Engine) -> float:
    """Return for how long no connection was refused; infinite for an engine that never waits."""
    return time.monotonic() - _refused_at.get(engine, -math.inf)


def was_cut_off(error: BaseException) -> bool:
    """Whether a connection broke while it was in use, which a new one would mend.

    What was under way may have been done or not.
    """
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        return True
    return error.__cause__ is not None and was_cut_off(error.__cause__)


def first_line(error: BaseException) -> str:
    """Return the first line of what a database or its driver said."""
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
