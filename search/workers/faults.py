"""Which faults may be gone when the same command is run again."""

from sqlalchemy import exc

from spaces import DistilfrontError

_OF_THE_MACHINE = (
    *(MemoryError, OSError),
    *(exc.OperationalError, exc.InterfaceError, exc.TimeoutError),
)
_LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


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
