"""The declaration that a setting's field carries, and how a class's declarations are read."""

from collections.abc import Callable, Mapping
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
    """Whether students of one parent that are equal in this share a random effect."""
    shared: bool = False
    """Of a method: whether methods have it in common, so that it is the stage's in a study file."""
    alone: Value | None = None
    """The value at which a student learns without its teacher."""
    baseline: Value | None = None
    """What baselines take, or the nearest value of the domain; None: the one in its middle."""
    names_layout: bool = False
    """Whether its values are layouts, by key, for which a student can be made: it is a point under
    schemes of its layout alone."""


def setting(default: Any, declaration: Setting) -> Any:
    """Return a dataclass field with that default and declaration."""
    return field(default=default, metadata={_KEY: declaration})


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
        known: dict[str, Any] = {}
        for each in fields(self):  # type: ignore[arg-type]
            value = getattr(self, each.name)
            declared = each.metadata.get(_KEY)
            if _KINDS in each.metadata:
                kinds = each.metadata[_KINDS]
                if type(value) not in kinds.values():
                    name = getattr(value, "kind", type(value).__name__)
                    raise UnknownNameError(each.name, name, tuple(kinds))
            elif declared is not None:
                value = declared.rule.read(each.name, value)
                idle = declared.applies is not None and not declared.applies(known)
                if idle and value != each.default:
                    raise InputError(
                        f"{each.name} does not apply here and must stay {each.default!r}, "
                        f"got {value!r}"
                    )
                object.__setattr__(self, each.name, value)
            known[each.name] = value


@dataclass(frozen=True)
class Declared:
    """A setting of a class."""

    name: str
    """The field's."""
    default: Any
    setting: Setting
    kinds: Mapping[str, type] | None = None
    """By name, the classes of which the field holds one; None for a plain value."""

    @property
    def alone(self) -> tuple[Value, ...]:
        """The values at which a student learns without its teacher, or the kinds that never ask."""
        if self.kinds is not None:
            return tuple(name for name, kind in self.kinds.items() if not kind().needs_teacher)
        return () if self.setting.alone is None else (self.setting.alone,)


def own_settings(kind: type) -> tuple[Declared, ...]:
    """Return the settings of a dataclass in the order in which they are asked.

    What a stage does comes before how long it is trained, which it inherits; what a method has of
    its own after what methods share, on which it may depend.
    """
    return _own_settings(kind)


@cache
def _own_settings(kind: type) -> tuple[Declared, ...]:
    declared = [each for each in fields(kind) if _KEY in each.metadata]
    if not getattr(kind, "asks_own_first", True):
        return tuple(map(_declared, declared))
    inherited = {name for base in kind.__mro__[1:] for name in getattr(base, "__annotations__", {})}
    own = [each for each in declared if each.name not in inherited]
    return tuple(map(_declared, own + [each for each in declared if each.name in inherited]))


def _declared(each: Field[Any]) -> Declared:
    return Declared(each.name, each.default, each.metadata[_KEY], each.metadata.get(_KINDS))
