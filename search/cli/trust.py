"""Whether the modules that a study or a recipe names may be imported: to import one is to run it.

A current folder is trusted as Python trusts it: `python -m` takes modules from there first. What
lies elsewhere came from anybody, and what is installed does anything (`os:abort`).
"""

import os
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from objectives import module_origin, trust_modules
from spaces import InputError, is_users_function

_LIBRARIES = [
    Path(sysconfig.get_path(name)).resolve()
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
]


def allow_modules(
    architectures: Iterable[str],
    folders: Iterable[str],
    named_by: str,
    source: Path | None,
    *,
    trusted: bool,
) -> None:
    """Let the modules of those `architectures` be imported that are a `module:function`.

    folders: where they are looked for, after the current one. source: the file that names them;
    None where its place says nothing. Modules below the current folder that are named there are
    the user's own; others take `trusted` or a typed yes. Raises InputError without it, and nothing
    was imported.
    """
    functions = filter(is_users_function, architectures)
    folders = list(folders)
    origins = {
        name: module_origin(name, folders)
        for name in dict.fromkeys(each.partition(":")[0] for each in functions)
    }
    own = source is not None and _is_own(source.absolute())
    strange = [
        f"{name} (from {origin!r})"
        for name, origin in origins.items()
        if origin is not None and not (own and _is_own(Path(origin)))
    ]
    if strange and not trusted:
        _ask(f"{named_by} names code to import, and so to run: {', '.join(strange)}")
    if origins:
        trust_modules(origins, folders)


def _is_own(path: Path) -> bool:
    """Say whether `path` lies below the current folder and is no library's.

    Not where that is the home folder or above: what others sent lies there too.
    """
    here, found = Path.cwd(), path.resolve()
    home = Path(os.path.expanduser("~")).resolve()  # noqa: PTH111 - raises nothing without one
    return (
        path.is_absolute()
        and found.exists()
        and found.is_relative_to(here)
        and not home.is_relative_to(here)
        and not {"site-packages", "dist-packages"} & {*found.parts}
        and not any(map(found.is_relative_to, _LIBRARIES))
    )


def _ask(words: str) -> None:
    if not all(stream and stream.isatty() for stream in (sys.stdin, sys.stderr)):
        raise InputError(f"{words}; --trust-modules lets it")
    print(f"{words}.\nType yes to let it: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != "yes":
        raise InputError("nothing was imported, as the answer was not yes")
