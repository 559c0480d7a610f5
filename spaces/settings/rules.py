"""Which values a setting may have at all."""

import sys
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import get_type_hints

from spaces.errors import InputError


@dataclass(frozen=True)
class Number:
    """A number within bounds; `above` and `below` leave the bound itself out."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None
    whole: bool = False
    among: tuple[float, ...] = ()
    """The only values there are; empty: any within the bounds."""

    def read(self, name: str, value: object) -> int | float:
        """Return `value` as the field has it; raises InputError with the rule and the value."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{name} must be a number, got {value!r}")
        if not abs(value) <= sys.float_info.max:  # A whole number can be beyond what floats are.
            raise InputError(f"{name} must be a finite number, got {value}")
        if self.whole and value != int(value):
            raise InputError(f"{name} must be a whole number, got {value}")
        if self.among and value not in self.among:
            known = ", ".join(f"{each:g}" for each in self.among)
            raise InputError(f"{name} must be one of {known}, got {value}")
        low = self.least if self.least is not None else self.above
        high = self.most if self.most is not None else self.below
        inside = (
            (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
        )
        if not inside:
            raise InputError(f"{name} must be {self._bounds(low, high)}, got {value}")
        return int(value) if self.whole else float(value)

    @property
    def in_words(self) -> str:
        """What it may be: `whole number, at least 1`."""
        low = self.least if self.least is not None else self.above
        high = self.most if self.most is not None else self.below
        if self.among:
            return f"one of {', '.join(f'{each:g}' for each in self.among)}"
        bounds = "" if low is None and high is None else f", {self._bounds(low, high)}"
        return f"{'whole number' if self.whole else 'number'}{bounds}"

    def _bounds(self, low: float | None, high: float | None) -> str:
        if low is not None and high is not None:
            opening = "[" if self.least is not None else "("
            closing = "]" if self.most is not None else ")"
            return f"in {opening}{low:.10g}, {high:.10g}{closing}"
        if low is not None:
            return f"at least {low:g}" if self.least is not None else f"greater than {low:g}"
        return f"at most {high:g}" if self.most is not None else f"less than {high:g}"


@dataclass(frozen=True)
class Word:
    """A word, one of `choices` where there are any: names, or a mapping from names."""

    choices: Collection[str] = ()
    made: str = ""
    """Of choices that contain more than they list: how the others are written."""

    def read(self, name: str, value: object) -> str:
        """Return `value`; raises InputError with the rule and the value."""
        if not isinstance(value, str):
            raise InputError(f"{name} must be a word, got {value!r}")
        if self.choices and value not in self.choices:
            raise InputError(f"{name} must be {self.in_words}, got {value!r}")
        if not value:
            raise InputError(f"{name} must not be empty")
        return value

    @property
    def in_words(self) -> str:
        """What it may be."""
        listed = ", ".join((*self.choices, self.made) if self.made else self.choices)
        return f"one of {listed}" if self.choices else "text"


@dataclass(frozen=True)
class Parts:
    """A word that stands alone, or one or several of `names` in turn, joined by `+`."""

    alone: tuple[str, ...]
    names: tuple[str, ...]

    def read(self, name: str, value: object) -> str:
        """Return `value`; raises InputError with the rule and the value."""
        if not isinstance(value, str):
            raise InputError(f"{name} must be a word, got {value!r}")
        parts = value.split("+")
        known = set(parts) <= set(self.names) and len(set(parts)) == len(parts)
        if value not in self.alone and not known:
            raise InputError(f"{name} must be {self.in_words}, got {value!r}")
        return value

    @property
    def in_words(self) -> str:
        """What it may be."""
        alone, names = ", ".join(self.alone), ", ".join(self.names)
        return f"one of {alone}, or one or several of {names}, joined by +"


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def read(self, name: str, value: object) -> bool:
        """Return `value`; raises InputError with the rule and the value."""
        if not isinstance(value, bool):
            raise InputError(f"{name} must be true or false, got {value!r}")
        return value

    @property
    def in_words(self) -> str:
        """What it may be."""
        return "true or false"


Rule = Number | Word | Parts | Flag

SEED = Number(least=0, below=2**31, whole=True)


def check_numbers(config: object) -> None:
    """Raise InputError unless the rules allow all numbers of a dataclass.

    A rule stands in the field's annotation: `Annotated[int, Number(least=1, most=9, whole=True)]`.
    None, where a field can be that, is left alone.
    """
    kind: type = type(config)
    for name, rule in _number_rules(kind):
        if (value := getattr(config, name)) is not None:
            rule.read(name, value)


@cache
def _number_rules(kind: type) -> tuple[tuple[str, Number], ...]:
    hints = get_type_hints(kind, include_extras=True).items()
    return tuple(
        (name, rule)
        for name, hint in hints
        for rule in getattr(hint, "__metadata__", ())
        if isinstance(rule, Number)
    )
