"""The time of a storage's server: the one clock that all machines of a study share."""

import time

import sqlalchemy
from optuna.storages import RDBStorage

from studies.patience import steady_s

_ASKED_EVERY_S = 10.0

NOW_S = {
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) AS double precision)",
    "mysql": "timestampdiff(microsecond, '1970-01-01', utc_timestamp(6)) / 1e6",
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
}
"""By backend: its clock, in Unix seconds."""


class ServerClock:
    """Tells the server's time, asked for now and then; in between this machine counts seconds.

    Counting is all that is asked of this machine: what time it believes it is does not matter.
    """

    def __init__(self, storage: RDBStorage) -> None:
        self._engine = storage.engine
        self._backend = storage.engine.dialect.name
        self._offset_s = 0.0
        self._asked_at: float | None = None

    def __call__(self) -> float:
        """Return Unix seconds; raises what the database does when it is away at the first call."""
        if self._backend == "sqlite":  # It lies on one machine, whose clock is the one.
            return time.time()
        if self._asked_at is None or time.monotonic() - self._asked_at > _ASKED_EVERY_S:
            with self._engine.connect() as connection:
                told = float(
                    connection.execute(
                        sqlalchemy.text(f"SELECT {NOW_S[self._backend]}")
                    ).scalar_one()
                )
            self._asked_at = time.monotonic()
            self._offset_s = told - self._asked_at
        return time.monotonic() + self._offset_s

    def steady_s(self) -> float:
        """Return for how long the server has answered this process without refusing."""
        return steady_s(self._engine)
