"""The trials that may have changed since one last looked, read at a price that does not grow.

`Study.get_trials` reads the new and the unfinished ones too, but with a dozen queries of Optuna's
object mapper and a list of all trials, sorted anew: tens of milliseconds in a long study, where a
ruling takes less than one. Here three queries tell that nothing has ended. They go to Optuna's own
tables, whose layout the storage checked when it was opened.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import sqlalchemy
from optuna.distributions import json_to_distribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import bindparam, column, select, table

READS_ONLY: Final = "distilfront_reads_only"
"""Execution option of a connection that writes nothing: it need not wait for who does."""

_AT_ONCE = 500
"""Trials asked for in one query: databases limit how many values a statement may have."""

_TRIALS = table(
    "trials",
    column("trial_id"),
    column("study_id", sqlalchemy.Integer()),
    column("number"),
    column("state"),
    column("datetime_start", sqlalchemy.DateTime()),
    column("datetime_complete", sqlalchemy.DateTime()),
)
# Plus nothing, or SQLite would walk through the index of the study's trials, all of them.
_OF_STUDY = (
    select(*_TRIALS.c)
    .where(_TRIALS.c.study_id + 0 == bindparam("study"))
    .order_by(_TRIALS.c.trial_id)
)
_LATER = _OF_STUDY.where(_TRIALS.c.trial_id > bindparam("after"))
_OPEN = _OF_STUDY.where(_TRIALS.c.trial_id.in_(bindparam("open", expanding=True)))


def _of_trials(name: str, order: str, *columns: str) -> sqlalchemy.Select[Any]:
    rows = table(name, *map(column, ("trial_id", order, *columns)))
    return (
        select(*(rows.c[one] for one in ("trial_id", *columns)))
        .where(rows.c.trial_id.in_(bindparam("trials", expanding=True)))
        .order_by(rows.c[order])
    )


_USER_ATTRS = _of_trials("trial_user_attributes", "trial_user_attribute_id", "key", "value_json")
_SYSTEM_ATTRS = _of_trials(
    "trial_system_attributes", "trial_system_attribute_id", "key", "value_json"
)
_PARAMS = _of_trials("trial_params", "param_id", "param_name", "param_value", "distribution_json")
_VALUES = _of_trials("trial_values", "objective", "value", "value_type")
_distribution = lru_cache(json_to_distribution)
"""A study's trials have the same few."""
_INFINITE = {"INF_POS": float("inf"), "INF_NEG": float("-inf")}

Rows = Mapping[int, Sequence[Any]]
"""By trial_id."""


class StoredTrials:
    """Reads one study's trials in a database, every finished one once.

    Optuna locks the study while it creates a trial, so trials come to be seen in the order of their
    ids, on servers too: none appears below the last one seen.
    """

    def __init__(self, storage: RDBStorage, study_name: str) -> None:
        self._engine = storage.engine
        self._study_id = storage.get_study_id_from_name(study_name)
        self._last = -1
        self._open: set[int] = set()

    def changed(self) -> Iterator[FrozenTrial]:
        """Yield the trials that finished since they were last yielded, and all unfinished ones.

        In the order of their numbers. Unfinished ones have their user attributes and no
        parameters; none has intermediate values, which studies of several objectives lack. A
        trial counts as yielded once the next is asked for: what failed on one finds it again.
        """
        trials, user_attrs, others = self._rows()
        for row in trials:
            state = TrialState[row.state]
            attrs = user_attrs.get(row.trial_id, ())
            yield _frozen(row, state, attrs, [rows.get(row.trial_id, ()) for rows in others])
            self._last = max(self._last, row.trial_id)
            (self._open.discard if state.is_finished() else self._open.add)(row.trial_id)

    def _rows(self) -> tuple[Sequence[Any], Rows, list[Rows]]:
        """Return the changed trials, their attributes, and the finished ones' other rows."""
        whose = {"study": self._study_id}
        with self._engine.connect().execution_options(**{READS_ONLY: True}) as connection:
            trials = [
                *connection.execute(_OPEN, whose | {"open": sorted(self._open)}),
                *connection.execute(_LATER, whose | {"after": self._last}),
            ]
            finished = [row.trial_id for row in trials if TrialState[row.state].is_finished()]
            user_attrs = _rows_of(connection, _USER_ATTRS, [row.trial_id for row in trials])
            others = [
                _rows_of(connection, query, finished) for query in (_PARAMS, _VALUES, _SYSTEM_ATTRS)
            ]
        return trials, user_attrs, others


def _rows_of(
    connection: sqlalchemy.Connection, query: sqlalchemy.Select[Any], trials: Sequence[int]
) -> Rows:
    found: dict[int, list[Any]] = defaultdict(list)
    for begin in range(0, len(trials), _AT_ONCE):
        asked = {"trials": trials[begin : begin + _AT_ONCE]}
        for trial_id, *row in connection.execute(query, asked):
            found[trial_id].append(row)
    return found


def _frozen(
    row: Any, state: TrialState, user_attrs: Sequence[Any], others: Sequence[Sequence[Any]]
) -> FrozenTrial:
    params, values, system_attrs = others
    distributions = {name: _distribution(text) for name, _, text in params}
    return FrozenTrial(
        number=row.number,
        state=state,
        value=None,
        values=[_INFINITE.get(kind, value) for value, kind in values] or None,
        datetime_start=_local(row.datetime_start),
        datetime_complete=_local(row.datetime_complete),
        params={name: distributions[name].to_external_repr(value) for name, value, _ in params},
        distributions=distributions,
        user_attrs={key: json.loads(text) for key, text in user_attrs},
        system_attrs={key: json.loads(text) for key, text in system_attrs},
        intermediate_values={},
        trial_id=row.trial_id,
    )


def _local(moment: datetime | None) -> datetime | None:
    """Return the local time of a naive time in UTC, as Optuna has it on its trials."""
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
