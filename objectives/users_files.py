"""Files that users bring: which are opened, and what becomes of all that their decoders raise."""

import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spaces import InputError, is_text, printable

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a fifo",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@contextmanager
def decoding() -> Iterator[None]:
    """Raise InputError, whose text is the reason alone, for whatever decoding in the block raises.

    The kinds are not listed: a damaged file makes its decoder raise anything, MemoryError for a
    size that it claims, and from compiled code what is no Exception. Warnings are not shown.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (InputError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise InputError(reason_of(error)) from error


def reason_of(error: BaseException) -> str:
    """Return the first line of what an error says; with its type where that alone says little."""
    if isinstance(error, MemoryError):
        return "it takes more memory than there is"
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error).strip()
    first = words.splitlines()[0][:160] if words else ""
    if not first or isinstance(error, LookupError):
        return printable(f"{type(error).__name__} {first}".strip())
    return printable(first)


def kind_unless_file(path: Path) -> str:
    """Return what `path` is where it is no file, as `a fifo`: to open that may take for ever.

    Raises OSError when nothing is there.
    """
    kind = stat.S_IFMT(path.stat().st_mode)
    return "" if kind == stat.S_IFREG else _KINDS.get(kind, "something else")


def check_is_file(path: Path) -> None:
    """Raise InputError when `path` is something else, and OSError when nothing is there."""
    if kind := kind_unless_file(path):
        raise InputError(f"{kind}, not a file")


def check_names(folder: Path, names: list[str]) -> None:
    """Raise InputError when files or folders in `folder` have names that are no text."""
    if odd := [printable(name) for name in names if not is_text(name)]:
        more = f" and {len(odd) - 1:,} more" if len(odd) > 1 else ""
        raise InputError(
            f"{printable(folder)} holds names that are not UTF-8: rename {odd[0]}{more}"
        )
