"""[space]: one domain per searched setting, written as a list, a range or a single value."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from pydantic import ValidationInfo, field_serializer, field_validator
from pydantic.dataclasses import dataclass as checked_dataclass

from spaces import (
    Architecture,
    Choice,
    Distillation,
    Domain,
    InputError,
    LoRA,
    Schedule,
    Space,
    Steps,
    scheme_named,
)
from studies.tables import STRICT

_SCHEDULE = Schedule(epochs=1, learning_rate=1.0)


def _lora(**setting: Any) -> LoRA:
    values: dict[str, Any] = {"rank": 1, "lora_alpha": 1.0, "dropout": 0.0, "targets": "dense"}
    return LoRA(schedule=_SCHEDULE, **(values | setting))


def _whole_lora(rank: float) -> None:
    if rank != int(rank):
        raise InputError(f"rank must be a whole number, got {rank}")
    if rank != 0:
        _lora(rank=int(rank))


# What the chain will build from a value; a value that it would refuse cannot be in a domain.
_TRIES: Mapping[str, Callable[[Any], object]] = MappingProxyType(
    {
        "width": lambda value: Architecture("any", width=value),
        "alpha": lambda value: value == 0 or Distillation(1.0, value),
        "temperature": lambda value: Distillation(value, 1.0),
        "learning_rate": lambda value: Schedule(1, value),
        "lora_rank": _whole_lora,
        "lora_alpha": lambda value: _lora(lora_alpha=value),
        "lora_dropout": lambda value: _lora(dropout=value),
        "lora_targets": lambda value: _lora(targets=value),
        "lora_learning_rate": lambda value: Schedule(1, value),
        "scheme": scheme_named,
    }
)
_WORDS = frozenset({"lora_targets", "scheme"})
"""Settings whose values are words; all others are numbers."""


def _domain(value: Any) -> Domain:
    """Return the domain that a study file writes as `value`; raises ValueError or InputError."""
    if isinstance(value, Steps | Choice):
        return value
    if isinstance(value, dict):
        if value.keys() != {"low", "high", "step"} or not all(map(_is_number, value.values())):
            raise ValueError("a range is a table of three numbers: low, high and step")
        return Steps(**value)
    return Choice(tuple(value) if isinstance(value, list) else (value,))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_values(name: str, domain: Domain) -> None:
    kind, fits = ("a word", str) if name in _WORDS else ("a number", (int, float))
    for value in domain.values:
        if isinstance(value, bool) or not isinstance(value, fits):
            raise InputError(f"every value must be {kind}, got {value!r}")
        _TRIES[name](value)


@checked_dataclass(frozen=True, config=STRICT)
class SpaceTable(Space):
    """[space]: `[1, 2]` is a choice, `{ low, high, step }` a range, a lone value is settled."""

    @field_validator("*", mode="before")
    @classmethod
    def _as_domain(cls, value: Any, info: ValidationInfo) -> Domain:
        try:
            domain = _domain(value)
            _check_values(str(info.field_name), domain)
        except InputError as error:
            raise ValueError(str(error)) from error
        return domain

    @field_serializer("*")
    def _as_written(self, domain: Domain) -> Any:
        if isinstance(domain, Steps):
            return {"low": domain.low, "high": domain.high, "step": domain.step}
        return list(domain.values)

    def settings(self) -> Space:
        """Return the plain Space."""
        return Space(**{field.name: getattr(self, field.name) for field in fields(Space)})
