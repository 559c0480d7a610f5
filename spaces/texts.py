"""Which texts a file of the user's may hold."""

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from spaces.errors import InputError

_DEEPEST = 20
"""Tables and lists within each other; to read on takes more memory than there may be."""


def check_texts(values: Mapping[str, Any], source: str) -> None:
    """Raise InputError where a key or a text within `values`, of `source`, names nothing at all.

    No path, class or network has a line break or a NUL in its name, and databases, terminals and
    systems each do something else with them. Surrogates are bytes that were no UTF-8.
    """
    for path, text in _texts(values, (), source):
        if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
            key = ".".join(path)
            place = f"{key}: " if key.isprintable() else ""
            raise InputError(f"{source}: {place}must have no control characters, got {text!r}")


def _texts(
    value: Any, path: tuple[str, ...], source: str, depth: int = 0
) -> Iterator[tuple[tuple[str, ...], str]]:
    if depth > _DEEPEST:
        raise InputError(f"{source}: {path[0]} is more than {_DEEPEST} tables or lists deep")
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, within in value.items():
            yield path, str(key)
            yield from _texts(within, (*path, str(key)), source, depth + 1)
    elif isinstance(value, list | tuple):
        for within in value:
            yield from _texts(within, path, source, depth + 1)
