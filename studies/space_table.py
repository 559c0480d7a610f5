"""[space]: a domain for every setting of a study's network, stages and leaf.

`[1, 2]` is a choice, `{ low, high, step }` a range, a lone value is settled. Which settings there
are, their rules and what is searched where a file says nothing, the settings declare themselves.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spaces import (
    ANY_LAYOUT,
    NETWORK,
    SCHEME_KEY,
    SCHEMES,
    STAGES,
    Choice,
    Domain,
    InputError,
    Key,
    Space,
    Steps,
    Value,
    has_width,
    keys_of,
    scheme_named,
)

Faults = list[tuple[str, str]]
"""Key and what is wrong with it."""

_MOST_NETWORKS = 1_000
_IMAGE_SIZE = "network.image_size"
"""The one setting whose default is the data's: networks see the images as they are held."""


@dataclass(frozen=True)
class SpaceTable:
    """The domains of a study, by dotted key: of every setting, whether or not its file has it.

    Settings of methods that it does not have are no part of it.
    """

    domains: Mapping[str, Domain]

    def as_written(self) -> dict[str, Any]:
        """Return the domains as a study file has them, all of them written out."""
        return nested({name: written(domain) for name, domain in self.domains.items()})


def read_space(
    values: Mapping[str, Any],
    stages: Sequence[str],
    image_size: int,
    orders: tuple[tuple[str, ...], ...] = (),
) -> tuple[SpaceTable, Faults]:
    """Return the space that a file's table `values` describes for a chain, and all its faults.

    image_size: at which the images are held, and which networks see where the file does not say.
    """
    keys = keys_of(stages)
    faults: Faults = []
    given: dict[str, Domain] = {}
    for name, value in _flat(values, keys, stages, faults):
        try:
            domain = domain_of(value)
            _check(name, domain, keys[name])
            given[name] = domain
        except (InputError, ValueError) as error:
            faults.append((name, str(error)))
    domains = {name: given.get(name, _default(key, image_size)) for name, (key, *_) in keys.items()}
    _settle_width(domains, given, faults)
    _check_methods(domains, given, keys, faults)
    _check_layouts(domains, keys, faults)
    _count_networks(domains, faults)
    space = Space(tuple(stages), domains, 0, orders)
    faults += space.clashes()
    if not faults:
        _check_sparse(space, faults)
    methods = {name: domain.values for name, domain in domains.items()}
    has = {name for name, meanings in keys.items() if _is_had(meanings, methods)}
    return SpaceTable({name: domains[name] for name in keys if name in has}), faults


def idle_settings(values: Mapping[str, Any], stages: Sequence[str]) -> list[str]:
    """Return the dotted keys of a table that are of no stage of the chain, or of no method of it.

    Only those whose stage or method there is: what is misspelt is a fault.
    """
    every, keys = keys_of(tuple(STAGES)), keys_of(stages)
    known = dict(_flat(values, every, tuple(STAGES), []))
    settled = {name: _lone(key) for name, (key, *_) in keys.items()}
    methods = {name: _several(value) for name, value in {**settled, **known}.items()}
    return [name for name in known if name not in keys or not _is_had(keys[name], methods)]


def settled_where_silent(
    values: Mapping[str, Any], stages: Sequence[str], image_size: int
) -> dict[str, Any]:
    """Return a stored table with every setting that it lacks at its field's default.

    A study that was stored wrote all its settings out; one that came to be later was at its default
    for it, whatever a new study searches. What is not known stays, to be refused.
    """
    keys = keys_of(stages)
    known = dict(_flat(values, keys, stages, []))
    settled = {name: _settled(key, image_size) for name, (key, *_) in keys.items()}
    methods = {name: _several(value) for name, value in {**settled, **known}.items()}
    silent = {
        name: value
        for name, value in settled.items()
        if name not in known and _is_had(keys[name], methods)
    }
    return _merged(nested(silent), values)


def is_default(name: str, domain: Domain, stages: Sequence[str]) -> bool:
    """Say whether a setting is settled at its field's default: it decides nothing then."""
    return tuple(domain.values) == (_lone(keys_of(stages)[name][0]),)


def domain_of(value: Any) -> Domain:
    """Return the domain that a study file writes as `value`; raises ValueError or InputError."""
    if isinstance(value, dict):
        if value.keys() != {"low", "high", "step"} or not all(map(_is_number, value.values())):
            raise ValueError("a range is a table of three numbers: low, high and step")
        return Steps(**value)
    return Choice(_several(value))


def written(domain: Domain) -> Any:
    """Return a domain as a study file has it."""
    if isinstance(domain, Steps):
        return {"low": domain.low, "high": domain.high, "step": domain.step}
    return list(domain.values)


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return tables within tables for dotted keys."""
    tables: dict[str, Any] = {}
    for name, value in flat.items():
        *path, last = name.split(".")
        table = tables
        for part in path:
            table = table.setdefault(part, {})
        table[last] = value
    return tables


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of `above`, with what they lack as `below` has it."""
    both = dict(below)
    for key, value in above.items():
        beside = below.get(key)
        if isinstance(beside, Mapping) and isinstance(value, Mapping):
            both[key] = _merged(beside, value)
        else:
            both[key] = value
    return both


def _flat(
    values: Mapping[str, Any],
    keys: Mapping[str, tuple[Key, ...]],
    stages: Sequence[str],
    faults: Faults,
) -> Iterator[tuple[str, Any]]:
    """Yield the dotted keys of a file's table that there are, with what it says of each."""
    tables = ("network", *stages, "quantize")
    for table, content in values.items():
        if table not in tables:
            faults.append((table, f"unknown table: this chain has {', '.join(tables)}"))
        elif not isinstance(content, Mapping):
            faults.append((table, f"must be a table, got {content!r}"))
        else:
            yield from _flat_table(table, content, keys, faults)


def _flat_table(
    prefix: str,
    content: Mapping[str, Any],
    keys: Mapping[str, tuple[Key, ...]],
    faults: Faults,
) -> Iterator[tuple[str, Any]]:
    for part, value in content.items():
        name = f"{prefix}.{part}"
        if name in keys:
            yield name, value
        elif isinstance(value, Mapping) and any(key.startswith(f"{name}.") for key in keys):
            yield from _flat_table(name, value, keys, faults)
        else:
            below = (key.removeprefix(f"{prefix}.") for key in keys if key.startswith(f"{prefix}."))
            beside = dict.fromkeys(key.partition(".")[0] for key in below)
            faults.append((name, f"unknown key: known are {', '.join(beside)}"))


def _check(name: str, domain: Domain, meanings: Sequence[Key]) -> None:
    """Raise InputError unless every value is one that the chain can build."""
    last = name.rpartition(".")[2]
    for value in domain.values:
        for key in meanings:
            skips = key.declared.setting.skips
            if skips is None or value != skips or isinstance(value, bool):
                key.declared.setting.rule.read(last, value)


def _check_methods(
    domains: Mapping[str, Domain],
    given: Mapping[str, Domain],
    keys: Mapping[str, tuple[Key, ...]],
    faults: Faults,
) -> None:
    """Find settings of methods that the space does not have."""
    for name in given:
        if _is_had(keys[name], {each: domain.values for each, domain in domains.items()}):
            continue
        where = _methods_of(keys[name][0])
        methods = ", ".join(str(key.method) for key in keys[name])
        having = ", ".join(map(str, domains[where].values))
        faults.append((name, f"is a setting of {methods}, and {where} has only {having}"))


def _check_layouts(
    domains: Mapping[str, Domain], keys: Mapping[str, tuple[Key, ...]], faults: Faults
) -> None:
    """Find layouts for which a student can be made that none of the study's schemes has."""
    schemes = tuple(map(str, domains[SCHEME_KEY].values))
    had = {ANY_LAYOUT, *(SCHEMES[name].layout.dense.key for name in schemes if name in SCHEMES)}
    for name, (key, *_) in keys.items():
        asked = domains[name].values if key.declared.setting.names_layout else ()
        for layout in (one for one in asked if one not in had):
            having = [each for each, one in SCHEMES.items() if one.layout.key == layout]
            rule = f"{layout} needs {' or '.join(having)} in {SCHEME_KEY}, which has only "
            faults.append((name, rule + ", ".join(schemes)))


def _check_sparse(space: Space, faults: Faults) -> None:
    """Find schemes that leave zeros out where no student has any."""
    named = [name for name in space.schemes if scheme_named(name).layout.is_sparse]
    if named and not any(network.pruned.weights for network in space.networks):
        which = "stores" if len(named) == 1 else "store"
        rule = f"{', '.join(named)} {which} no weights that are zero, and no student has any: "
        faults.append((SCHEME_KEY, rule + 'a stage prune with removes = "weights" makes them'))


def _count_networks(domains: Mapping[str, Domain], faults: Faults) -> None:
    """Find a grid of networks that is too large, before any of them is made."""
    of_network = [one for name, one in domains.items() if name.startswith(f"{NETWORK}.")]
    count = math.prod(len(domain.values) for domain in of_network)
    if count > _MOST_NETWORKS:
        rule = f"has at most {_MOST_NETWORKS:,} networks, each built and timed under every scheme"
        faults.append((NETWORK, f"{rule}, got {count:,}"))


def _is_had(meanings: Sequence[Key], values: Mapping[str, Sequence[Any]]) -> bool:
    """Say whether a setting is no method's, or that of one which a space of these values has."""
    return any(key.method is None or key.method in values[_methods_of(key)] for key in meanings)


def _methods_of(key: Key) -> str:
    """Return the setting that chooses the method whose setting `key` is."""
    return f"{key.table}.method"


def _settle_width(domains: dict[str, Domain], given: Mapping[str, Domain], faults: Faults) -> None:
    """Leave the width at 1 where no architecture has one; a file that asks for another is wrong."""
    width, names = "network.width", domains["network.architecture"].values
    if any(has_width(str(name)) for name in names):
        return
    if width in given and tuple(given[width].values) != (1,):
        without = ", ".join(map(str, names))
        faults.append((width, f"{without} has no width: it must be 1, got {written(given[width])}"))
    domains[width] = Choice((1.0,))


def _default(key: Key, image_size: int) -> Domain:
    return key.declared.setting.domain or Choice((_settled(key, image_size),))


def _settled(key: Key, image_size: int) -> Value:
    """Return the one value of a setting that is not searched."""
    return image_size if key.name == _IMAGE_SIZE else _lone(key)


def _lone(key: Key) -> Value:
    default: Any = key.declared.default
    value: Value = default if key.declared.kinds is None else default.kind
    return value


def _several(value: Any) -> tuple[Any, ...]:
    """Return the values of a choice, as a file has them: a list, or one alone."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
