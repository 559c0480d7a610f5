"""The dotted keys of a space: which settings there are for a chain, in the order they are asked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from spaces.domains import Value
from spaces.network import Network
from spaces.schemes import Quantize
from spaces.settings import Declared, own_settings
from spaces.stages import STAGES

NETWORK, QUANTIZE = "network", "quantize"
"""Tables of a space beside those of its stages."""
SCHEME_KEY = f"{QUANTIZE}.scheme"
"""The one setting that is chosen after training."""

Ask = Callable[[str, Declared], Value]
"""Answers with the value of a key."""


@dataclass(frozen=True)
class Key:
    """One setting of a space."""

    name: str
    """Dotted, as in a study file: `distill.temperature`."""
    declared: Declared
    method: str | None = None
    """The method whose setting it is; None for one of the network's, a stage's or the leaf's."""

    @property
    def table(self) -> str:
        """The table of the space in which it stands: `network`, a stage's kind or `quantize`."""
        return self.name.partition(".")[0]


def keys_of(stages: Sequence[str]) -> dict[str, tuple[Key, ...]]:
    """Return the keys of a chain of these kinds of stages, by name; some are several methods'."""
    found: dict[str, tuple[Key, ...]] = {}
    for key in _keys(stages):
        found[key.name] = (*found.get(key.name, ()), key)
    return found


def _keys(stages: Sequence[str]) -> Iterator[Key]:
    yield from _of_class(NETWORK, Network)
    for kind in stages:
        yield from _of_class(kind, STAGES[kind])
    yield from _of_class(QUANTIZE, Quantize)


def _of_class(table: str, kind: type) -> Iterator[Key]:
    for declared in own_settings(kind):
        yield Key(f"{table}.{declared.name}", declared)
        for method, its_class in (declared.kinds or {}).items():
            for own in own_settings(its_class):
                yield Key(_method_key(table, method, own), own, method)


def _method_key(table: str, method: str, own: Declared) -> str:
    return f"{table}.{own.name}" if own.setting.shared else f"{table}.{method}.{own.name}"


def built(table: str, kind: type, ask: Ask) -> Any | None:
    """Return the `kind` that answers to its keys describe, None where one says to leave it out."""
    values: dict[str, Any] = {}
    for declared in own_settings(kind):
        if not _applies(declared, values):
            values[declared.name] = declared.default
            continue
        answer = ask(f"{table}.{declared.name}", declared)
        if declared.setting.skips is not None and answer == declared.setting.skips:
            return None
        if declared.kinds is None:
            values[declared.name] = answer
        else:
            values[declared.name] = _chosen(table, str(answer), declared.kinds, ask)
    return _made(kind, tuple(values), *values.values())


def _chosen(table: str, name: str, kinds: Mapping[str, type], ask: Ask) -> Any:
    values: dict[str, Any] = {}
    for own in own_settings(kinds[name]):
        values[own.name] = (
            ask(_method_key(table, name, own), own) if _applies(own, values) else own.default
        )
    return _made(kinds[name], tuple(values), *values.values())


@lru_cache(maxsize=2**14, typed=True)
def _made(kind: type, names: tuple[str, ...], *values: Any) -> Any:
    """Return the `kind` of those values, the same object for the same ones.

    To check its settings, and later to compare it, is most of what drawing a student takes.
    """
    return kind(**dict(zip(names, values, strict=True)))


@lru_cache(maxsize=2**14)
def answers_of(table: str, config: Any) -> tuple[tuple[str, Value], ...]:
    """Return key and value of every setting that applies to `config`, as `built` asks for them."""
    return tuple(_answers_of(table, config))


def _answers_of(table: str, config: Any) -> Iterator[tuple[str, Value]]:
    known: dict[str, Any] = {}
    for declared in own_settings(type(config)):
        value = getattr(config, declared.name)
        if _applies(declared, known):
            if declared.kinds is None:
                yield f"{table}.{declared.name}", value
            else:
                yield f"{table}.{declared.name}", value.kind
                yield from _answers_of_method(table, value)
        known[declared.name] = value


def _answers_of_method(table: str, method: Any) -> Iterator[tuple[str, Value]]:
    known: dict[str, Any] = {}
    for own in own_settings(type(method)):
        value = getattr(method, own.name)
        if _applies(own, known):
            yield _method_key(table, method.kind, own), value
        known[own.name] = value


def _applies(declared: Declared, known: Mapping[str, Any]) -> bool:
    applies = declared.setting.applies
    return applies is None or applies(known)
