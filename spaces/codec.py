"""Settings as plain JSON values and back, and the digests that name what they decide."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar

from pydantic import PlainSerializer, PlainValidator, TypeAdapter, ValidationError

from spaces.errors import InputError, UnknownNameError

Config = TypeVar("Config")

_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    # Building one takes milliseconds; a study reads thousands of chains.
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def to_dict(config: object) -> dict[str, Any]:
    """Return `config` (any of the dataclasses of `spaces`) as plain JSON values."""
    dumped: dict[str, Any] = _adapter(type(config)).dump_python(config, mode="json")
    kind = getattr(type(config), "kind", None)
    return {"kind": kind, **dumped} if isinstance(kind, str) else dumped


def from_dict(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """Return the `kind` that `to_dict` made into `values`; raises InputError naming all faults."""
    has = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    # What a user's file has in its place may be no table at all, which is a fault like others.
    table: Any = values
    if isinstance(values, Mapping):
        table = {name: value for name, value in values.items() if name in has or name != "kind"}
    try:
        parsed: Config = _adapter(kind).validate_python(table)
    except ValidationError as error:
        raise InputError(f"not a valid {kind.__name__}: {_faults(error)}") from error
    return parsed


def _faults(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}, got {fault['input']!r}"
        for fault in error.errors()
    )


def one_of(kinds: Mapping[str, type]) -> tuple[PlainValidator, PlainSerializer]:
    """Return what annotates a field that holds one of `kinds`: it is written with its `kind`."""

    def read(value: Any) -> Any:
        if type(value) in kinds.values():
            return value
        if not isinstance(value, Mapping) or "kind" not in value:
            raise ValueError(f"must be a table with a kind, one of {', '.join(kinds)}")
        if value["kind"] not in tuple(kinds):  # It may be no word, and not to be hashed.
            raise UnknownNameError("kind", value["kind"], tuple(kinds))
        return from_dict(kinds[value["kind"]], value)

    return PlainValidator(_told(read)), PlainSerializer(to_dict)


def by_name(named: Callable[[str], Any]) -> tuple[PlainValidator, PlainSerializer]:
    """Return what annotates a field that is written as its `name` and found by `named`."""

    def read(value: Any) -> Any:
        return named(value) if isinstance(value, str) else value

    return PlainValidator(_told(read)), PlainSerializer(lambda value: value.name)


def _told(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return `read` with our own errors as the ValueErrors that pydantic collects."""

    def told(value: Any) -> Any:
        try:
            return read(value)
        except InputError as error:
            raise ValueError(str(error)) from error

    return told


def essence(config: object) -> Any:
    """Return what tells `config` from others as plain values: what is at its default is left out.

    So a setting that is added with a default changes no digest of what was there before.
    """
    if isinstance(config, str | int | float):
        return config
    if is_dataclass(config) and not isinstance(config, type):
        kind = getattr(type(config), "kind", None)
        told: dict[str, Any] = {"kind": kind} if isinstance(kind, str) else {}
        for each in fields(config):
            value = getattr(config, each.name)
            if each.name == "kind" or each.default is MISSING or value != each.default:
                told[each.name] = essence(value)
        return told
    if isinstance(config, list | tuple):
        return [essence(each) for each in config]
    if isinstance(config, Mapping):
        return {str(name): essence(value) for name, value in config.items()}
    return config


def without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config as TOML, which has no null, can say it: what is not set is left out."""

    def said(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [said(each) for each in value]
        return without_none(value) if isinstance(value, Mapping) else value

    return {key: said(value) for key, value in table.items() if value is not None}


def canonical_json(value: object) -> str:
    """Return `value` as JSON with sorted keys and numbers that do not depend on how they were made.

    Floats are rounded to 10 significant digits and whole ones written as integers, so 0.1 + 0.2
    and 0.3, or 4 and 4.0, are the same setting.
    """
    return json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _canonical(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and not isinstance(value, bool):
        rounded = float(f"{value:.10g}")
        return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded
    return value


def digest(*parts: object) -> str:
    """Return the SHA-256 (hex) over the canonical JSON of `parts`."""
    return hashlib.sha256(canonical_json(list(parts)).encode()).hexdigest()
