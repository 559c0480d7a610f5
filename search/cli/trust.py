"""Whether the modules that a study or a recipe names may be imported: to import one is to run it.

A current folder is trusted as Python trusts it: `python -m` takes modules from there first. What
lies elsewhere came from anybody, and what is installed does anything (`os:abort`).
"""

import os
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path

from objectives import module_origin, trust_modules
from spaces import InputError, is_users_function

_LIBRARIES = [
    Path(sysconfig.get_path(name)).resolve()
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
]


def allow_modules(
    architectures: Iterable[str],
    folders: Sequence[str],
    named_by: str,
    *,
    trusted: bool,
    strange: bool = False,
) -> None:
    """Let the modules of those `architectures` be imported that are a `module:function`.

    folders: where they, and what they import, are looked for after the current folder. If all of
    that lies below the current folder it is the user's own, unless `strange`; else it takes
    `trusted` or a typed yes. Raises InputError without it, and nothing was imported.
    """
    functions = filter(is_users_function, architectures)
    names = dict.fromkeys(each.partition(":")[0] for each in functions)
    found = {name: module_origin(name, folders) for name in names}
    origins = {name: origin for name, origin in found.items() if origin is not None}
    elsewhere = [folder for folder in folders if not _is_own(folder)]
    own = not strange and not elsewhere and all(map(_is_own, origins.values()))
    if origins and not (own or trusted):
        words = ", ".join(f"{name} (from {origin!r})" for name, origin in origins.items())
        if elsewhere:
            words += f", with what else lies in {', '.join(map(repr, elsewhere))}"
        _ask(f"{named_by} names code to import, and so to run: {words}")
    if names:
        trust_modules(names, folders)


def _is_own(place: str) -> bool:
    """Say whether `place` is a path that lies below the current folder and is no library's.

    Not where that is the home folder or above: what others sent lies there too.
    """
    here, found = Path.cwd(), Path(place).resolve()
    home = Path(os.path.expanduser("~")).resolve()  # noqa: PTH111 - raises nothing without one
    return (
        Path(place).is_absolute()
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
