"""Users' modules: where they are looked for, and which of them may be imported. No torch.

To import a module is to run it. So none is imported that was not trusted by its name before, and
none to find out where it lies.
"""

import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

_trusted: set[str] = set()
_folders: dict[str, None] = {}

BUILT_IN = "Python itself"


def trust_modules(names: Iterable[str], folders: Iterable[str] = ()) -> None:
    """Let the modules `names` be imported, from `folders` too, as long as we run."""
    _trusted.update(names)
    _folders.update(dict.fromkeys(folders))


def is_trusted(name: str) -> bool:
    """Say whether the module `name` may be imported."""
    return name in _trusted


def searched_folders(further: Iterable[str] = ()) -> list[str]:
    """Return where users' modules are looked for, in order: here, as was said, in `further`."""
    return list(dict.fromkeys([str(Path.cwd()), *_folders, *further]))


def module_origin(name: str, folders: Iterable[str] = ()) -> str | None:
    """Return what would run first if the module `name` were imported; nothing is.

    folders: where it is looked for too. The file of the module, or of the innermost package around
    it that can be found; BUILT_IN where there is none. None: there is no such module.
    """
    if (loaded := sys.modules.get(name)) is not None:
        return getattr(loaded, "__file__", None) or BUILT_IN
    parts = name.split(".")
    if not all(map(str.isidentifier, parts)):
        return None
    path, found = [*searched_folders(folders), *sys.path], None
    finders: Sequence[Any] = sys.meta_path
    for part in parts:
        # importlib.util.find_spec would import the packages around it.
        specs = (finder.find_spec(part, path) for finder in finders)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is None:
            break
        path, finders = list(spec.submodule_search_locations or ()), [PathFinder]
        found = spec.origin if spec.has_location else next(iter(path), BUILT_IN)
    return found
