"""Ways to answer the keys of one table of a space: all, those that differ in something, or none."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from spaces.domains import Value
from spaces.keys import Ask, Key, built
from spaces.settings import Declared, own_settings
from spaces.stages import STAGES, Stage
from spaces.walks import Walk, every_walk

Values = Callable[[str], Sequence[Value]]
"""The values that a setting may have, by its dotted key."""
Varies = Callable[[str, Declared], bool]
"""Whether all values of a setting count, by its dotted key and its declaration."""


def every_answer(
    table: str, kind: type, values: Callable[[str, Declared], Sequence[Value]]
) -> Iterator[Any]:
    """Yield what each different way to answer the keys of one table with `values` makes."""

    def ask(walk: Walk) -> Ask:
        return lambda name, declared: walk.suggest_categorical(name, values(name, declared))

    return every_walk(lambda walk: built(table, kind, ask(walk)))


def every_stage(kind: str, values: Values, varies: Varies) -> Iterator[Stage]:
    """Yield the stages of a kind with each combination of the settings that vary.

    Others are at their last word or their largest number, at which nothing is left out.
    """

    def ask(name: str, declared: Declared) -> Sequence[Value]:
        its = values(name)
        if varies(name, declared):
            return its
        left = [value for value in its if value != declared.setting.skips] or its
        return (left[-1] if are_words(left) else max(left),)

    yield from (one for one in every_answer(kind, STAGES[kind], ask) if one is not None)


def leaving_out(kind: str, values: Values) -> Mapping[str, Value]:
    """Return the answers that leave the stage of that kind out; none where it cannot be.

    What is asked before the setting that skips is tried: under some of it that may not apply.
    """
    settings = own_settings(STAGES[kind])
    skips = [one.setting.skips is not None for one in settings]
    before = settings[: skips.index(True)] if any(skips) else ()
    names = [f"{kind}.{one.name}" for one in before]
    for chosen in product(*map(values, names)):
        answers = _Skipping(values, dict(zip(names, chosen, strict=True)))
        if built(kind, STAGES[kind], answers) is None:
            return answers.given
    return {}


def can_apply(key: Key, values: Values) -> bool:
    """Say whether a stage's setting may apply; one of a method always may."""
    kind = STAGES.get(key.table)
    if key.declared.setting.applies is None or kind is None or key.method is not None:
        return True
    in_order = [f"{key.table}.{one.name}" for one in own_settings(kind)]
    later = {*in_order[in_order.index(key.name) :]}
    asked = set[str]()

    def some(name: str, _: Declared) -> Sequence[Value]:
        asked.add(name)
        its = values(name)
        return its[:1] if name in later else _ends(its)

    # As stages are made: a setting may look at a method, which is no plain value.
    return any(key.name in asked for _ in every_answer(key.table, kind, some))


def _ends(values: Sequence[Value]) -> Sequence[Value]:
    """Return all words, and of numbers the first and the last."""
    return values if are_words(values) else tuple(dict.fromkeys((values[0], values[-1])))


def are_words(values: Sequence[Value]) -> bool:
    """Say whether they are no numbers."""
    return any(isinstance(value, str) for value in values)


class _Skipping:
    """Answers as `chosen` says, leaves a stage out as soon as it may, and notes what it gave."""

    def __init__(self, values: Values, chosen: Mapping[str, Value]) -> None:
        self._values, self._chosen = values, chosen
        self.given: dict[str, Value] = {}

    def __call__(self, name: str, declared: Declared) -> Value:
        """Answer with the value of a key."""
        value = declared.setting.skips
        if value is None:
            value = self._chosen.get(name, self._values(name)[0])
        self.given[name] = value
        return value
