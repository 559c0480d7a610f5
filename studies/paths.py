"""Paths of a study's settings: from where they are written to where they lie."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from spaces import InputError

_PREFIX = "imagefolder:"
_KEYS = (
    "teacher.weights",
    "teachers.*.weights",
    "data.root",
    "data.name",
    "data.validation",
    "data.classes",
    "modules",
)
"""Settings that are a path: the data's name behind its prefix, its classes where they are no list,
each of the modules. A star stands for every table."""


def usable(path: Path) -> Path:
    """Return `path`; raises InputError where no system can look for it: too long, or with a NUL."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass
    except (OSError, ValueError) as error:
        raise InputError(f"no file can be {path}: {getattr(error, 'strerror', error)}") from error
    return path


def beside(values: dict[str, Any], folder: Path) -> list[str]:
    """Make the paths of a study file in `folder` absolute, in place.

    A path that is not there, and is in the current folder, is taken from there. Returns a sentence
    for each of those.
    """
    notes: list[str] = []

    def place(path: Path) -> Path:
        own, here = folder.absolute() / path, Path.cwd() / path
        if own.exists() or not here.exists():
            return own
        notes.append(f"{path} is not in {own.parent}: the one in the current folder is taken")
        return here

    _change_all(values, lambda path: _absolute(path, place))
    return notes


def in_current_folder(values: dict[str, Any]) -> None:
    """Make what is still relative, as `--set` gave it, absolute in place."""
    _change_all(values, lambda path: _absolute(path, lambda here: Path.cwd() / here))


def with_absolute_paths(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of `values` in which two ways to write one path are no difference."""
    copied = deepcopy(dict(values))
    in_current_folder(copied)
    return copied


def with_moved_files(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return `old` with those paths of `new` that have taken the place of files that are gone.

    They have the same name: a project whose folder was moved or copied is the same project.
    """
    there: dict[str, str] = {}

    def note(path: str) -> str:
        there.setdefault(Path(path).name, path)
        return path

    def follow(path: str) -> str:
        return path if Path(path).exists() else there.get(Path(path).name, path)

    _change_all(with_absolute_paths(new), note)
    followed = with_absolute_paths(old)
    _change_all(followed, follow)
    return followed


def _change_all(values: dict[str, Any], change: Callable[[str], str]) -> None:
    for key in _KEYS:
        *tables, last = key.split(".")
        for table in _tables(values, tables):
            if last in table:
                try:
                    table[last] = _changed(table[last], key, change)
                except InputError as error:
                    raise InputError(f"{key}: {error}") from error


def _tables(values: Any, path: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the tables that a path with stars leads to."""
    if not isinstance(values, dict):
        return
    if not path:
        yield values
        return
    first, *rest = path
    for name in values if first == "*" else (first,):
        yield from _tables(values.get(name), rest)


def _changed(value: Any, key: str, change: Callable[[str], str]) -> Any:
    """Return a path changed; what is none stays as it is, and has its fault when it is read."""
    if isinstance(value, list | tuple) and key == "modules":
        return [_changed(each, key, change) for each in value]
    if not isinstance(value, str) or not value:
        return value
    if key != "data.name":
        return change(value)
    named = value.startswith(_PREFIX) and value != _PREFIX
    return f"{_PREFIX}{change(value.removeprefix(_PREFIX))}" if named else value


def _absolute(value: str, place: Callable[[Path], Path]) -> str:
    try:
        path = usable(Path(value).expanduser())
    except RuntimeError as error:
        raise InputError(f"no file can be {value}: {error}") from error
    return os.path.abspath(path if path.is_absolute() else place(path))  # noqa: PTH100 - lexical
