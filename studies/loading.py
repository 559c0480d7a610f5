"""From a study's name or file to a valid StudyConfig, or one message with every fault."""

import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from spaces import DEFAULT_CHAIN, STAGES, DataConfig, InputError, UnknownNameError, check_texts
from studies.old_form import renamed_keys
from studies.paths import beside, in_current_folder, usable
from studies.schema import SPACE_FAULTS, StudyConfig
from studies.space_table import idle_settings, settled_where_silent

_MOST_FAULTS = 50
"""That are told of a file: a list of a thousand wrong words has one each."""


def built_in_studies() -> list[str]:
    """Return the names of the studies that come with the project."""
    files = resources.files("studies").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def load_study(name_or_path: str, overrides: Sequence[str] = ()) -> StudyConfig:
    """Return the study of that built-in name, or of that `.toml` file, with overrides applied.

    overrides: `key.key=value` texts; the value is read as TOML where it is, and as text elsewhere.
    Paths of a file are relative to it, those of overrides to the current folder; both are absolute
    in what is returned, so that a stored study is not bound to the folder it was begun from.
    Raises InputError with every fault of the file, and UnknownNameError with the known studies.
    """
    values, folder = study_values(name_or_path), _folder_of(name_or_path)
    if folder is not None:
        beside(values, folder)
    config = _overridden(values, overrides, name_or_path)
    if folder is None or not config.users_functions:
        return config
    return config.model_copy(update={"modules": (*config.modules, str(folder))})


def path_notes(name_or_path: str) -> list[str]:
    """Return a sentence for each path of a study file that is not where it should be."""
    folder = _folder_of(name_or_path)
    return [] if folder is None else beside(study_values(name_or_path), folder)


def _folder_of(name_or_path: str) -> Path | None:
    """Return the folder of a study file; None of a built-in study."""
    return Path(name_or_path).absolute().parent if name_or_path.endswith(".toml") else None


def with_overrides(study: StudyConfig, overrides: Sequence[str]) -> StudyConfig:
    """Return a study that was read already with overrides applied; raises as `load_study`."""
    return _overridden(study.to_dict(), overrides, study.name)


def _overridden(values: dict[str, Any], overrides: Sequence[str], source: str) -> StudyConfig:
    for override in overrides:
        _apply(values, override)
    if overrides:
        _leave_out_idle(values, kept={f"{_key_of(each)}." for each in overrides})
    in_current_folder(values)
    return parse_study(values, source)


def _leave_out_idle(values: dict[str, Any], kept: set[str]) -> None:
    """Drop what a file says of stages and methods that overrides took out of it.

    kept: the overrides' own keys, a dot after each; what they say is to be right or refused.
    """
    space, chain = values.get("space"), values.get("chain", {})
    stages = chain.get("stages", DEFAULT_CHAIN) if isinstance(chain, Mapping) else ()
    known = isinstance(stages, list | tuple) and all(kind in tuple(STAGES) for kind in stages)
    if not known or not isinstance(space, dict):
        return  # A fault, which is told when all is read.
    idle = {f"space.{name}" for name in idle_settings(space, stages)}
    idle = {name for name in idle if not any(f"{name}.".startswith(each) for each in kept)}
    values["space"] = _without(space, idle, "space.")


def _without(table: Mapping[str, Any], names: Collection[str], prefix: str) -> dict[str, Any]:
    """Return a table without the keys of those dotted names, and without what that leaves empty."""
    left = {}
    for name, value in table.items():
        if f"{prefix}{name}" not in names:
            is_table = isinstance(value, Mapping) and value
            below = _without(value, names, f"{prefix}{name}.") if is_table else value
            if below or not is_table:
                left[name] = below
    return left


def _key_of(override: str) -> str:
    return override.partition("=")[0].replace(" ", "")


def study_values(name_or_path: str) -> dict[str, Any]:
    """Return what a built-in study or a file says, as TOML has it; raises as `load_study`."""
    if name_or_path.endswith(".toml"):
        text = _read(usable(Path(name_or_path)))
    elif name_or_path in built_in_studies():
        text = resources.files("studies").joinpath(f"{name_or_path}.toml").read_text("utf-8")
    else:
        raise UnknownNameError("study", name_or_path, [*built_in_studies(), "a FILE.toml"])
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # Digits and brackets can be too many to read.
        raise InputError(f"{name_or_path} is not valid TOML: {error}") from error


def origins_of(name_or_path: str, overrides: Sequence[str] = ()) -> dict[str, str]:
    """Return by dotted key where a study's settings come from: `file` or `--set`."""
    origins = dict.fromkeys(_leaves(study_values(name_or_path)), "file")
    changed = {_key_of(override): "--set" for override in overrides}
    return {**origins, **changed}


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value.keys() != {"low", "high", "step"}:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def parse_study(values: Mapping[str, Any], source: str) -> StudyConfig:
    """Return `values` as a study; raises InputError that names `source` and every fault."""
    check_texts(values, source)
    if renamed := renamed_keys(values):
        instead = ", ".join(f"{now} for {old}" for old, now in renamed.items())
        raise InputError(
            f"{source} is of the form that had one chain for all studies: write {instead}"
        )
    try:
        return StudyConfig.model_validate(values)
    except ValidationError as error:
        faults = [words for fault in error.errors() for words in _words(fault)]
    if len(faults) == 1:
        raise InputError(f"{source}: {faults[0]}")
    told = faults[:_MOST_FAULTS]
    more = [f"and {len(faults) - len(told):,} more"] if told != faults else []
    raise InputError("\n  ".join([f"{source} has {len(faults):,} faults:", *told, *more]))


def parse_stored(values: Mapping[str, Any], source: str) -> StudyConfig:
    """Return a study that was stored: what it does not say was at its default, not searched."""
    chain, data = values.get("chain", {}), values.get("data", {})
    # A kind of stage that is not known has its fault when all is read.
    stages = [kind for kind in chain.get("stages", DEFAULT_CHAIN) if kind in STAGES]
    image_size = data.get("image_size", DataConfig.image_size)
    space = settled_where_silent(values.get("space", {}), stages, image_size)
    return parse_study({**values, "space": space}, source)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"there is no study file {path}") from error
    except OSError as error:
        raise InputError(f"cannot read the study file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not valid TOML: it is not UTF-8 text") from error


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    path = [part.strip() for part in key.split(".")]
    if not equals or not all(path):
        raise InputError(f"an override is KEY=VALUE, such as workers=2, got {override!r}")
    *tables, last = path
    for depth, part in enumerate(tables, start=1):
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            raise InputError(
                f"override {override!r}: {'.'.join(tables[:depth])} is a value, not a table"
            )
    values[last] = _toml_value(text.strip())


def _toml_value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError) as error:
        if text.startswith(("[", "{")):
            raise InputError(
                f"an override's list or table is written as in TOML, words in quotes, got {text}"
            ) from error
        return text
    return parsed["value"] if parsed.keys() == {"value"} else text


_PLAIN = {
    "tuple_type": "must be a list",
    "string_type": "must be a word in quotes",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
}
"""Faults of type, in a study file's words."""


def _words(fault: ErrorDetails) -> list[str]:
    """Return one fault, or all those of a space, as `key: rule, got value`."""
    if fault["type"] == SPACE_FAULTS:
        return [_of_space(key, rule) for key, rule in fault["ctx"]["faults"]]
    return [_of_key(fault)]


def _of_space(key: str, rule: str) -> str:
    last = key.rpartition(".")[2]
    return f"space.{key}: {rule.removeprefix(f'{last} ')}"


def _of_key(fault: ErrorDetails) -> str:
    key = ".".join(str(part) for part in fault["loc"]) or "the file"
    if fault["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        return f"{key}: unknown key: known are {', '.join(_known_keys(fault['loc'][:-1]))}"
    if fault["type"] in {"missing", "missing_argument", "missing_keyword_only_argument"}:
        return f"{key}: missing"
    if fault["type"] in {"dataclass_type", "model_type"}:
        return f"{key}: must be a table, got {fault['input']!r}"
    rule = _PLAIN.get(fault["type"], fault["msg"].removeprefix("Value error, "))
    for subject in ("Input should ", "String should ", f"{key.rpartition('.')[2]} must "):
        rule = f"must {rule.removeprefix(subject)}" if rule.startswith(subject) else rule
    if ", got " in rule or isinstance(fault["input"], Mapping):
        return f"{key}: {rule}"
    return f"{key}: {rule}, got {fault['input']!r}"


def _known_keys(path: tuple[int | str, ...]) -> list[str]:
    kind: Any = StudyConfig
    for part in path:
        # A table of tables has one kind of them under whatever name.
        named = get_origin(kind) is dict
        kind = get_args(kind)[1] if named else _fields_of(kind)[str(part)]
    return list(_fields_of(kind))


def _fields_of(kind: Any) -> dict[str, Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    if is_dataclass(kind):
        return {field.name: field.type for field in fields(kind)}
    # An optional table: the annotation is `Table | None`.
    return _fields_of(next(part for part in kind.__args__ if part is not type(None)))
