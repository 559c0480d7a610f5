"""The declaration that a setting's field carries, and how a class's declarations are read."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from functools import cache
from typing import Any, ClassVar

from pydantic import ConfigDict

from spaces.domains import Domain, Value
from spaces.errors import InputError, UnknownNameError
from spaces.settings.rules import Rule

_KEY, _KINDS = "setting", "kinds"


@dataclass(frozen=True)
class Setting:
    """What everybody who meets a setting must know of it."""

    words: str
    """What it is, as a title: `temperature`."""
    rule: Rule
    """Which values it may have."""
    domain: Domain | None = None
    """What a study searches that does not say; None: the field's default alone."""
    applies: Callable[[Mapping[str, Any]], bool] | None = None
    """Whether it applies, by the fields of its class that were asked before it; None: always. Where
    it does not, the field has its default."""
    decides_costs: bool = False
    """Whether size and latency depend on it."""
    length: float = 1.3
    """Over which distance, where all its values span 1, students are assumed to stay alike: the
    prior of the surrogate. The less a setting is expected to matter, the longer."""
    skips: Value | None = None
    """The value at which the whole stage is left out, and with it all its other settings."""
    tells_family: bool = False
    """Whether a stage's label depends on it: students of one parent whose last stage has one label
    share a random effect."""
    tried: bool = False
    """Whether it decides if a network can be trained so at all: every value is tried first."""
    shared: bool = False
    """Of a method: whether methods have it in common, so that it is the stage's in a study file."""
    alone: Value | None = None
    """The value at which a student learns without its teacher."""
    names_teacher: bool = False
    """Whether its values are names of the study's teachers."""
    baseline: Value | None = None
    """What baselines take, or the nearest value of the domain; None: the one in its middle."""
    names_layout: bool = False
    """Whether its values are layouts, by key, for which a student can be made: it is a point under
    schemes of its layout alone."""


def setting(default: Any, declaration: Setting, *, kw_only: bool = False) -> Any:
    """Return a dataclass field with that default and declaration.

    kw_only: for one that is asked before others that came earlier and have their positions.
    """
    given: dict[str, Any] = {"kw_only": True} if kw_only else {}  # False would end a KW_ONLY.
    return field(default=default, metadata={_KEY: declaration}, **given)


def choice_of(kinds: Mapping[str, type], default: Any, declaration: Setting) -> Any:
    """Return a dataclass field that holds one of `kinds`, each with settings of its own.

    In a study file it is the name of one of them, and so it is in a domain.
    """
    return field(default=default, metadata={_KEY: declaration, _KINDS: kinds})


class Settings:
    """Base of frozen dataclasses whose fields are settings: a value no rule allows is refused.

    A setting that does not apply has its default, or two equal students would look different.
    """

    # Read back with a setting that is not known, it would be another student's.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    asks_own_first: ClassVar[bool] = True
    """Whether its own settings are asked before those it inherits, or after."""

    def __post_init__(self) -> None:
        settings = own_settings(type(self))
        known = {each.name: getattr(self, each.name) for each in settings}
        for each in settings:
            name, given, its = each.name, known[each.name], each.setting
            if each.kinds is not None:
                if type(given) not in each.kinds.values():
                    kind = getattr(given, "kind", type(given).__name__)
                    raise UnknownNameError(name, kind, tuple(each.kinds))
                continue
            value = known[name] = its.rule.read(name, given)
            if its.applies is not None and value != each.default and not its.applies(known):
                raise InputError(
                    f"{name} does not apply here and must stay {each.default!r}, got {value!r}"
                )
            if value is not given:
                object.__setattr__(self, name, value)
        told = {each.name: (each.named(known[each.name]),) for each in settings}
        for name, words in self.clashes(told):
            raise InputError(f"{name} {words}")

    @classmethod
    def clashes(cls, values: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, str]]:  # noqa: ARG003
        """Yield settings, and what is wrong, where some of `values` cannot go together.

        values: of every setting all that it can have, one where it is settled; methods by name.
        """
        yield from ()


@dataclass(frozen=True)
class Declared:
    """A setting of a class."""

    name: str
    """The field's."""
    default: Any
    setting: Setting
    kinds: Mapping[str, type] | None = None
    """By name, the classes of which the field holds one; None for a plain value."""

    def named(self, value: Any) -> Value:
        """Return a value of the field as it stands in a domain: one of `kinds` by its name."""
        plain: Value = value if self.kinds is None else value.kind
        return plain

    @property
    def alone(self) -> tuple[Value, ...]:
        """The values at which a student learns without its teacher, or the kinds that never ask."""
        if self.kinds is not None:
            return tuple(name for name, kind in self.kinds.items() if _never_asks(kind))
        return () if self.setting.alone is None else (self.setting.alone,)


def _never_asks(kind: type) -> bool:
    """Say whether a method can need no teacher, whatever its settings."""
    own: Any = kind()
    return not own.needs_teacher and not any(one.alone for one in own_settings(kind))


def own_settings(kind: type) -> tuple[Declared, ...]:
    """Return the settings of a dataclass in the order in which they are asked.

    What a stage does comes before how long it is trained, which it inherits from further away; what
    a method has of its own after what methods share, on which it may depend.
    """
    return _own_settings(kind)


@cache
def _own_settings(kind: type) -> tuple[Declared, ...]:
    declared = [each for each in fields(kind) if _KEY in each.metadata]
    if not getattr(kind, "asks_own_first", True):
        return tuple(map(_declared, declared))
    # From the class that has it first of all, as it may be declared again.
    away = {
        name: place
        for place, base in enumerate(kind.__mro__)
        for name in inspect.get_annotations(base)
    }
    return tuple(map(_declared, sorted(declared, key=lambda each: away[each.name])))


def _declared(each: Field[Any]) -> Declared:
    return Declared(each.name, each.default, each.metadata[_KEY], each.metadata.get(_KINDS))
