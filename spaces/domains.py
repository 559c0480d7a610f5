"""The values a setting may take, and how a trial is asked for one."""

import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

from spaces.errors import InputError

Value = str | int | float
"""Of a setting; true and false are whole numbers to Python."""


class TrialLike(Protocol):
    """The part of an Optuna trial that a domain needs."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = ..., log: bool = ...
    ) -> float:
        """Draw a number, as optuna.Trial.suggest_float."""
        ...

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Draw one of `choices`, as optuna.Trial.suggest_categorical."""
        ...


MOST_VALUES = 1_000
"""Of a setting: finer steps than that tell no two students apart, and all are gone through."""


@dataclass(frozen=True)
class Steps:
    """Numbers low, low + step, … up to high: training settings are shared only when equal."""

    low: float
    high: float
    step: float
    kind: Literal["steps"] = "steps"

    def __post_init__(self) -> None:
        # A whole number can be beyond what floats are.
        if not all(abs(one) <= sys.float_info.max for one in (self.low, self.high, self.step)):
            raise InputError(
                f"a range needs finite numbers, got low {self.low}, high {self.high} and step "
                f"{self.step}"
            )
        if not self.step > 0:
            raise InputError(f"step must be greater than 0, got {self.step}")
        if self.high < self.low:
            raise InputError(f"high must be at least low, got low {self.low} and high {self.high}")
        count = (float(self.high) - float(self.low)) / float(self.step)
        if count >= MOST_VALUES:
            raise InputError(
                f"a range has at most {MOST_VALUES:,} values, got [{self.low}, {self.high}] in "
                f"steps of {self.step}"
            )
        if abs(count - round(count)) > 1e-6:
            raise InputError(
                f"high must be low plus a whole number of steps, got [{self.low}, {self.high}] "
                f"in steps of {self.step}"
            )

    @cached_property
    def values(self) -> tuple[float, ...]:
        """Every value, ascending."""
        count = round((self.high - self.low) / self.step)
        return tuple(float(f"{self.low + i * self.step:.10g}") for i in range(count + 1))

    def suggest(self, trial: TrialLike, name: str) -> float:
        """Ask `trial` for one of the values under `name`."""
        return float(f"{trial.suggest_float(name, self.low, self.high, step=self.step):.10g}")


@dataclass(frozen=True)
class Choice:
    """One of a few values, in no order."""

    values: tuple[Value, ...]
    kind: Literal["choice"] = "choice"

    def __post_init__(self) -> None:
        if not 1 <= len(self.values) <= MOST_VALUES:
            raise InputError(
                f"a choice needs at least one value, and has at most {MOST_VALUES:,}, got "
                f"{len(self.values):,}"
            )
        if others := [value for value in self.values if not isinstance(value, str | int | float)]:
            raise InputError(f"a choice's values must be words or numbers, got {others[0]!r}")
        if len(set(self.values)) != len(self.values):
            raise InputError(f"a choice's values must differ, got {list(self.values)}")

    def suggest(self, trial: TrialLike, name: str) -> Any:
        """Ask `trial` for one of the values under `name`."""
        return trial.suggest_categorical(name, list(self.values))


Domain = Steps | Choice
