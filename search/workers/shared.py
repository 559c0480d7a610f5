"""Stages that the machines of a study share, under leases of its database."""

from collections.abc import Callable

from optuna.storages import RDBStorage

from objectives import SharedStages, StageStore
from studies import StageLeases


def shared_stages(url: str, storage: RDBStorage, tell: Callable[[str], object]) -> SharedStages:
    """Return what a Workbench takes; `tell` hears of a store that is away, and when it is back.

    Raises InputError for a URL that nothing opens.
    """
    return SharedStages(StageStore(url, tell), StageLeases(storage.engine))
