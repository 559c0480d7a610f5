"""The orders in which a chain's stages can be, and how many students that makes."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain, combinations, islice, product
from typing import Any

from spaces.answers import Values, are_words, every_answer, every_stage
from spaces.domains import Choice, Value
from spaces.keys import NETWORK, Key, built
from spaces.network import Network
from spaces.settings import Declared, Setting, Word
from spaces.stages import ANY_LAYOUT, STAGES

Order = tuple[str, ...]
"""Kinds of stages, each once."""

ORDER_KEY = "chain.order"
"""Asked where a space has several orders of its stages."""
_BEFORE = " > "
_MOST_COUNTED = 100_000
"""Ways to answer the keys of one table: to walk as many takes ten seconds."""


def order_in_words(order: Order) -> str:
    """Return an order as a value of the space: `prune > distill`."""
    return _BEFORE.join(order)


def order_of_words(words: str) -> Order:
    """Return the order that order_in_words says."""
    return tuple(words.split(_BEFORE))


def order_key(orders: Sequence[Order]) -> Key:
    """Return the setting that chooses among `orders`."""
    names = tuple(map(order_in_words, orders))
    declared = Setting("order of stages", Word(names), Choice(names))
    return Key(ORDER_KEY, Declared("order", names[0], declared))


def networks_after(
    order: Order,
    keys: Mapping[str, tuple[Key, ...]],
    values: Values,
    can_skip: Callable[[str], bool],
) -> Sequence[tuple[Network, ...]]:
    """Return the networks that there are after each stage of `order`, each once.

    Numbers ascend.
    """
    names = [name for name, (key, *_) in keys.items() if key.table == NETWORK]
    grid = product(*(_ascending(values(name)) for name in names))
    networks = tuple(_network(dict(zip(names, each, strict=True))) for each in grid)
    found = []
    for kind in order:
        left = [
            stage.leaves_of(one)
            for one in networks
            for stage in every_stage(kind, values, lambda _, one: one.setting.decides_costs)
        ]
        networks = tuple(dict.fromkeys([*(networks if can_skip(kind) else ()), *left]))
        found.append(networks)
    return found


def without_a_beginning(
    orders: Sequence[Order], skipping: Callable[[str], Mapping[str, Value]], values: Values
) -> Iterator[tuple[str, str]]:
    """Yield the keys by which a student can leave out what it begins with, and what is wrong."""
    for order in orders:
        for kind, after in zip(order, (*order[1:], None), strict=True):
            answers = skipping(kind)
            if not answers or any(one not in values(name) for name, one in answers.items()):
                break
            if after is None or not STAGES[after].can_begin:
                name, value = [*answers.items()][-1]
                left = "no stage is left" if after is None else f"{after} cannot be first"
                yield name, f"must not be {value}: without {kind}, {left}"
                break


def _network(values: Mapping[str, Value]) -> Network:
    network: Network | None = built(NETWORK, Network, lambda name, _: values[name])
    assert network is not None
    return network


def _ascending(values: Sequence[Value]) -> Sequence[Value]:
    """Return numbers in ascending order, and words as they stand."""
    return values if are_words(values) else sorted(values)


def layouts_after(
    order: Order,
    keys: Mapping[str, tuple[Key, ...]],
    values: Values,
    can_skip: Callable[[str], bool],
) -> Sequence[str]:
    """Return keys of the layouts that students of `order` can be trained for, or ANY_LAYOUT."""
    found: list[str] = []
    for kind in reversed(order):
        named = [
            key.name
            for key, *_ in keys.values()
            if key.table == kind and key.declared.setting.names_layout
        ]
        for name in named:
            skips = keys[name][0].declared.setting.skips
            found += [str(one) for one in values(name) if one != skips]
        if not named:
            found.append(ANY_LAYOUT)
        if not can_skip(kind):  # No student ends with the stage before it.
            break
    return found


def count_students(orders: Sequence[Order], values: Values) -> int | None:
    """Return how many students there are; None when they are too many to be counted.

    orders: of the same stages; those of a student that leaves some out may be the same.
    """
    found: dict[str, AbstractSet[Any]] = {}
    for table, kind in ((NETWORK, Network), *((each, STAGES[each]) for each in orders[0])):
        every = every_answer(table, kind, lambda name, _: values(name))
        answers = list(islice(every, _MOST_COUNTED + 1))
        if len(answers) > _MOST_COUNTED:
            return None
        found[table] = set(answers)
    return len(found[NETWORK]) * sum(_ways(set(kept), orders, found) for kept in _parts(orders[0]))


def _ways(
    kept: AbstractSet[str], orders: Sequence[Order], answers: Mapping[str, AbstractSet[Any]]
) -> int:
    """Return how many chains have exactly the stages that are kept."""
    different = {tuple(kind for kind in order if kind in kept) for order in orders}
    ways = [
        len(answers[kind] - {None}) if kind in kept else int(None in answers[kind])
        for kind in orders[0]
    ]
    return len(different) * math.prod(ways)


def _parts(kinds: Order) -> Iterator[Order]:
    return chain.from_iterable(combinations(kinds, count) for count in range(len(kinds) + 1))
