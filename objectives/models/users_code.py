"""A user's `module:function`: how it is called, and what is said when it fails."""

import functools
import importlib
import inspect
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from objectives.users_modules import is_trusted, module_origin, searched_folders
from spaces import InputError, in_one_line

_LIBRARIES = (
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    str(Path(torch.__file__).parent),
    str(Path(__file__).parents[1]),
    "<",
)
"""Where the files lie that are not the user's; frozen modules have none."""


def users_function(name: str) -> Callable[..., Any]:
    """Return the function that `module:function` names.

    Raises InputError when it is not there, which says what was searched, when its module was not
    trusted, and when the module raises anything, which says where.
    """
    module_name, _, function_name = name.partition(":")
    folders = searched_folders()
    missing = InputError(
        f"architecture {name}: cannot import {module_name}: it is neither in "
        f"{', '.join(folders)} nor among the installed packages"
    )
    origin = module_origin(module_name)
    if origin is None:
        raise missing
    if not is_trusted(module_name):
        raise InputError(
            f"architecture {name}: {module_name} (from {origin!r}) is not imported, as nobody has "
            "said that it is trusted"
        )
    try:
        with _first_on_path(folders):
            module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        if _is_missing(module_name, error):
            raise missing from error
        raise InputError(
            f"architecture {name}: cannot import {module_name}: {place_and_words(error)}"
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise InputError(
            f"architecture {name}: module {module_name} "
            f"({getattr(module, '__file__', None) or 'built in'}) has no function "
            f"{function_name!r}; it was looked for in {', '.join(folders)} first"
        )
    return function  # type: ignore[no-any-return]


def made_by_user(name: str, width: float, classes: int) -> Any:
    """Return what `module:function` returns for `classes=`, and for `width=` when it is not 1.

    Raises InputError when it takes other arguments, or raises anything.
    """
    function = users_function(name)
    arguments: dict[str, Any] = {"classes": classes}
    _check_call(name, function, arguments)
    if width != 1:
        arguments["width"] = width
        _check_call(name, function, arguments)
    try:
        return function(**arguments)
    except (Exception, SystemExit) as error:
        raise InputError(f"architecture {name}: {place_and_words(error)}") from error


def place_and_words(error: BaseException) -> str:
    """Return what was raised in one line, after file and line where it passed the user's code."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_file():
        where, words = (error.filename, error.lineno), f"{type(error).__name__}: {error.msg}"
    else:
        frames = traceback.extract_tb(error.__traceback__)
        theirs = [frame for frame in frames if not frame.filename.startswith(_LIBRARIES)]
        if not theirs:
            return in_one_line(error)
        where, words = (theirs[-1].filename, theirs[-1].lineno), in_one_line(error)
    return f"{_short(where[0])}, line {where[1]}: {words}"


def _check_call(name: str, function: Callable[..., Any], arguments: dict[str, Any]) -> None:
    try:
        inspect.signature(function).bind(**arguments)
    except ValueError:  # It does not tell its arguments.
        return
    except TypeError as error:
        if "width" in arguments:
            raise InputError(
                f"architecture {name} has no width: let it take width=…, or settle its width at 1"
            ) from error
        raise InputError(
            f"architecture {name} must be callable with classes=…, and width=… when the width is "
            f"not 1: {error}"
        ) from error


def _is_missing(module_name: str, error: BaseException) -> bool:
    """Whether the module itself, or a package that it is in, is what could not be found."""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    return missing is not None and f"{module_name}.".startswith(f"{missing}.")


@contextmanager
def _first_on_path(folders: Sequence[str]) -> Iterator[None]:
    """Let modules in `folders` come first inside, and last afterwards.

    First, so that an installed package of the same name is not taken for the user's; last, so
    that nothing of ours that is imported later is taken from there.
    """
    sys.path[:0] = folders
    try:
        yield
    finally:
        for folder in folders:
            sys.path.remove(folder)
        sys.path += [folder for folder in folders if folder not in sys.path]


def _short(file: str) -> Path:
    path = Path(file)
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def source_files(architecture: str) -> list[Path]:
    """Return the files of a user's `module:function`: the function's own, then those it imports.

    Those it imports are the user's too: they lie in the same folder or below.
    """
    function = users_function(architecture)
    while isinstance(function, functools.partial):
        function = function.func
    own = _file_of(sys.modules[function.__module__])
    if own is None:
        return []
    found, todo = {own}, [sys.modules[function.__module__]]
    while todo:
        for value in list(vars(todo.pop()).values()):
            module = value if isinstance(value, ModuleType) else _module_of(value)
            file = None if module is None else _file_of(module)
            if module is None or file is None or file in found:
                continue
            if file.is_relative_to(own.parent) and "site-packages" not in file.parts:
                found.add(file)
                todo.append(module)
    return [own, *sorted(found - {own})]


def _module_of(value: object) -> ModuleType | None:
    return sys.modules.get(str(getattr(value, "__module__", "")))


def _file_of(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return None if file is None else Path(file)
