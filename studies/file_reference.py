"""docs/study_file.md, made from the declarations of all keys of a study file.

    python -m studies.file_reference > docs/study_file.md

A test holds the page to this.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from spaces import (
    METHODS,
    NETWORK,
    STAGES,
    DataConfig,
    Key,
    Network,
    Number,
    Schedule,
    Steps,
    keys_of,
)
from spaces.schemes import Quantize
from studies.schema import StudyConfig
from studies.tables import DataTable, TeacherTable, TrainingTable
from studies.teacher_tables import NamedTeacherTable

_HEAD = """\
# The study file

Every key there is, made by `python -m studies.file_reference` from the declarations that check a
file. A file that breaks a rule is refused with all its faults at once. `--set KEY=VALUE` sets any
key of the command line's study, as in `--set data.train_limit=5000`.
"""
_SPACE = """\
## `[space]`: what is searched

Each setting takes one value, a list of values, or a range `{ low = 0, high = 1, step = 0.1 }`. A
setting that a file does not name is searched or settled as the table says. There are as many tables
as `[chain]` has stages.
"""
_COLUMNS = ("key", "what it takes", "default", "meaning")
_WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false"}
_ALIKE: Mapping[type, type] = {
    TeacherTable: Network,
    NamedTeacherTable: Network,
    TrainingTable: Schedule,
}
"""Where a key that says nothing is explained."""
_LIMITS = {"ge": "at least", "gt": "greater than", "le": "at most", "lt": "less than"}


def file_reference() -> str:
    """Return the page as Markdown."""
    parts = [_HEAD, _table_of("The file itself", "", StudyConfig)]
    for name, field in StudyConfig.model_fields.items():
        for path, kind in _tables(name, field.annotation):
            parts.append(_table_of(f"`[{path}]`", _summary(kind), kind))
    parts.append(f"{_SPACE}\n{_table(_settings())}")
    return "\n".join(parts)


def _tables(path: str, annotation: Any) -> Iterator[tuple[str, type]]:
    """Yield the tables of a file below a key, by their dotted names."""
    if get_origin(annotation) is dict:
        path = f"{path}.NAME"
    for kind in get_args(annotation) or (annotation,):
        if isinstance(kind, type) and (issubclass(kind, BaseModel) or kind is DataTable):
            yield path, kind
            for name, field in getattr(kind, "model_fields", {}).items():
                yield from _tables(f"{path}.{name}", field.annotation)


def _table_of(title: str, summary: str, kind: type) -> str:
    said = f"\n{summary}\n" if summary else ""
    return f"## {title}\n{said}\n{_table(_keys(kind))}"


def _keys(kind: type) -> Iterator[tuple[str, ...]]:
    meanings = _meanings(_ALIKE[kind]) if kind in _ALIKE else {}
    meanings |= _meanings(kind)
    fields: Mapping[str, Any] = getattr(kind, "model_fields", {}) or getattr(
        kind, "__pydantic_fields__", {}
    )
    for name, field in fields.items():
        if name == "space" or any(_tables(name, field.annotation)):
            continue  # A table of its own.
        limits = [
            f"{words} {getattr(each, bound):.10g}"
            for each in field.metadata
            for bound, words in _LIMITS.items()
            if getattr(each, bound, None) is not None
        ]
        rules = [each.in_words for each in field.metadata if isinstance(each, Number)]
        takes = ", ".join(rules or [_type_in_words(field.annotation), *limits])
        yield f"`{name}`", takes, _default(field.default), meanings.get(name, "")


def _settings() -> Iterator[tuple[str, ...]]:
    for name, keys in keys_of(tuple(STAGES)).items():
        key = keys[0]
        takes = key.declared.setting.rule.in_words
        if key.declared.kinds is not None:
            takes = f"one of {', '.join(key.declared.kinds)}"
        meaning = _meanings(_owner(key)).get(key.declared.name, "")
        if (skips := key.declared.setting.skips) is not None:
            takes, meaning = f"{takes}; or {skips}", f"{meaning} At {skips} the stage is left out."
        yield f"`{name}`", takes, _searched(key), meaning


def _searched(key: Key) -> str:
    domain, default = key.declared.setting.domain, key.declared.default
    if key.name == f"{NETWORK}.image_size":
        return "that of the data"
    if isinstance(domain, Steps):
        return f"{domain.low:g} to {domain.high:g} in steps of {domain.step:g}"
    if domain is not None:
        return ", ".join(f"`{value}`" for value in domain.values)
    return _default(default if key.declared.kinds is None else default.kind)


def _owner(key: Key) -> type:
    """Return the class whose field a setting is."""
    if key.method is not None:
        return METHODS[key.method]
    return {NETWORK: Network, "quantize": Quantize, **STAGES}[key.table]


def _type_in_words(annotation: Any) -> str:
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _type_in_words(arguments[0])
    if get_origin(annotation) is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if get_origin(annotation) in {Union, UnionType}:
        return " or ".join(_type_in_words(each) for each in arguments if each is not NoneType)
    if get_origin(annotation) in {tuple, list}:
        return f"list of: {_type_in_words(arguments[0])}"
    return _WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "must be there"
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _summary(kind: type) -> str:
    if kind is DataTable:
        return inspect.getdoc(DataConfig) or ""
    words = (inspect.getdoc(kind) or "").partition(": ")[2]
    return words[:1].upper() + words[1:]


def _meanings(kind: type) -> dict[str, str]:
    """Return what is written below each field of a class and of what it inherits from."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if not each.__module__.startswith(("spaces", "studies")):
            continue
        tree = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]
        assert isinstance(tree, ast.ClassDef)
        for field, below in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                text = below.value if isinstance(below, ast.Expr) else None
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    words = " ".join(text.value.split())
                    found[field.target.id] = re.sub(r"\bNone\b", "not set", words)
    return found


def _table(rows: Iterator[tuple[str, ...]]) -> str:
    lines = [_COLUMNS, ("---",) * len(_COLUMNS), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |\n" for row in lines)


if __name__ == "__main__":
    print(file_reference(), end="")
