"""Whose a fault is: the trial's, or the machine's and the storage's; and whether it may pass."""

import sqlite3

from optuna.exceptions import StorageInternalError
from sqlalchemy import exc

from spaces import DistilfrontError, in_one_line

_OF_THE_MACHINE = (
    *(MemoryError, OSError),
    *(exc.OperationalError, exc.InterfaceError, exc.TimeoutError),
)
_LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


def is_of_the_machine(error: BaseException) -> bool:
    """Whether no trial has a part in it: disks and storages.

    They fail whatever is run, so each further trial would fail too.
    """
    if isinstance(error, (OSError, sqlite3.Error, exc.SQLAlchemyError, StorageInternalError)):
        return True
    return error.__cause__ is not None and is_of_the_machine(error.__cause__)


def fault_in_words(error: BaseException) -> str:
    """Return in one line what went wrong, as the database or the system has it where one is."""
    while error.__cause__ is not None and is_of_the_machine(error.__cause__):
        error = error.__cause__
    said = getattr(error, "orig", None) or error
    first = next((line for line in str(said).splitlines() if line.strip()), "")
    return f"{type(said).__name__}: {first}" if is_of_the_machine(error) else in_one_line(error)


def may_pass(error: BaseException) -> bool:
    """Whether it came from the machine or the storage, and not from what was asked for.

    Memory, disks and connections may be there the next time. Optuna wraps what a database raised,
    so causes count too.
    """
    if isinstance(error, (DistilfrontError, *_LASTING)):
        return False
    # torch's own for a GPU's memory is a RuntimeError, and torch takes seconds to import.
    if isinstance(error, _OF_THE_MACHINE) or type(error).__name__ == "OutOfMemoryError":
        return True
    return error.__cause__ is not None and may_pass(error.__cause__)
