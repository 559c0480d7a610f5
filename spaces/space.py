"""The search space of a study: a domain for every setting, and the way from a trial to a chain."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, product
from typing import Any, TypeVar

from spaces.domains import Domain, TrialLike, Value
from spaces.errors import InputError
from spaces.keys import NETWORK, QUANTIZE, SCHEME_KEY, Ask, Key, answers_of, built, keys_of
from spaces.methods import Method
from spaces.network import Network, network_in_words
from spaces.schemes import Quantize, scheme_named
from spaces.settings import Declared
from spaces.stages import ANY_LAYOUT, STAGES, Stage
from spaces.student import ChainConfig, StudentConfig

Made = TypeVar("Made")

_MOST_COUNTED = 1_000_000


@dataclass(frozen=True)
class Space:
    """What can be chosen. A setting with one value is settled and never asked for."""

    stages: tuple[str, ...]
    """Kinds of the chain's stages, in order."""
    domains: Mapping[str, Domain]
    """By dotted key; what is not among them has its field's default."""
    seed: int
    """Shared by all students of a study, so that comparisons are paired."""

    @cached_property
    def keys(self) -> Mapping[str, tuple[Key, ...]]:
        """Every setting there is for the chain, in the order in which they are asked."""
        return keys_of(self.stages)

    @cached_property
    def searched(self) -> Mapping[str, Domain]:
        """The domains with several values, in the order in which they are asked.

        Settings of methods that the space does not have are not among them.
        """
        return {
            name: self.domains[name]
            for name, meanings in self.keys.items()
            if name in self.domains
            and len(self.domains[name].values) > 1
            and any(key.method is None or key.method in self._methods(key) for key in meanings)
        }

    @property
    def schemes(self) -> tuple[str, ...]:
        """Names of the schemes that a student can be offered to."""
        return tuple(str(name) for name in self.values(SCHEME_KEY))

    def schemes_for(self, layout: str) -> tuple[str, ...]:
        """Return those of a student that was trained for a layout, by its key, or ANY_LAYOUT."""
        return tuple(
            name for name in self.schemes if layout in (ANY_LAYOUT, scheme_named(name).layout.key)
        )

    @cached_property
    def networks(self) -> tuple[Network, ...]:
        """Every network that a student can have, each once; numbers ascend."""
        names = [name for name, (key, *_) in self.keys.items() if key.table == NETWORK]
        grid = product(*(_ascending(self.values(name)) for name in names))
        made = (_network(dict(zip(names, values, strict=True))) for values in grid)
        return tuple(dict.fromkeys(made))

    @cached_property
    def methods(self) -> tuple[Method, ...]:
        """Every method that a student can have, with each combination of its settings in words.

        Each number is at one of its values: on words alone depends which layers a method looks at.
        """

        def values(name: str, declared: Declared) -> tuple[Value, ...]:
            its = self.values(name)
            told = declared.kinds is not None or self.keys[name][0].method is not None
            return its if told and _are_words(its) else its[-1:]

        found = (
            stage.teaching
            for kind in self.stages
            for stage in self._answers(kind, STAGES[kind], values)
            if stage is not None
        )
        return tuple(dict.fromkeys(method for method in found if method is not None))

    def suggest(self, trial: TrialLike) -> ChainConfig:
        """Ask `trial` for every searched setting that applies and return the chain they make."""
        return self.chain(self._asking(trial))

    def _asking(self, trial: TrialLike) -> Ask:
        settled = self._settled

        def ask(name: str, declared: Declared) -> Value:
            if name in settled:
                return settled[name]
            domain = self.domains.get(name)
            value: Value = _plain(declared) if domain is None else domain.suggest(trial, name)
            return value

        return ask

    @cached_property
    def _settled(self) -> Mapping[str, Value]:
        return {
            name: domain.values[0]
            for name, domain in self.domains.items()
            if len(domain.values) == 1
        }

    def chain(self, ask: Ask) -> ChainConfig:
        """Return the chain that `ask` answers to all keys that apply describe.

        The scheme is not asked for where the student was trained for a layout: it is the first of
        that. Raises InputError where the space has none.
        """
        student = self._student(ask)
        layout = student.files.layout
        if layout != ANY_LAYOUT:
            for name in self.schemes_for(layout):
                return ChainConfig(student, scheme_named(name))
            raise InputError(f"none of the schemes {', '.join(self.schemes)} has layout {layout}")
        leaf = built(QUANTIZE, Quantize, ask)
        assert leaf is not None
        return ChainConfig(student, scheme_named(leaf.scheme))

    def _student(self, ask: Ask) -> StudentConfig:
        network = built(NETWORK, Network, ask)
        stages = [built(kind, STAGES[kind], ask) for kind in self.stages]
        kept: tuple[Stage, ...] = tuple(stage for stage in stages if stage is not None)
        assert network is not None
        return StudentConfig(network, kept, self.seed)

    def params_of(self, chain: ChainConfig) -> dict[str, Value]:
        """Return the Optuna parameters from which `suggest` makes `chain`, settled ones too.

        The scheme is always among them, though `suggest` may not ask for it.
        """
        student = chain.student
        params = dict(answers_of(NETWORK, student.network))
        there = {stage.kind: stage for stage in student.stages}
        for kind in self.stages:
            if kind in there:
                params |= answers_of(kind, there[kind])
            else:
                params |= self._skipping(kind)
        return params | {SCHEME_KEY: chain.scheme.name}

    def title(self, name: str) -> str:
        """Return what a setting is, as a reader of a report meets it: `adapt rank`."""
        key, *_ = self.keys[name]
        method = "" if key.method is None or key.declared.setting.shared else f" {key.method}"
        return f"{key.table}{method} {key.declared.setting.words}"

    def network_in_words(self, key: str) -> str:
        """Return a Network.key as one says it, with the image size where several are searched."""
        return network_in_words(key, sized=len(self.values(f"{NETWORK}.image_size")) > 1)

    def can_skip(self, kind: str) -> bool:
        """Say whether a student may leave the stage of that kind out."""
        skipping = self._skipping(kind)
        return bool(skipping) and all(
            value in self.values(name) for name, value in skipping.items()
        )

    def students(self) -> Iterator[StudentConfig]:
        """Yield every student that `suggest` can make, each once; what is asked last varies first.

        For grids, not for spaces of any size.
        """
        return _every_walk(lambda walk: self._student(self._asking(walk)))

    @cached_property
    def size(self) -> int | None:
        """How many students there are; None when they are more than a million."""
        count = 1
        for table, kind in ((NETWORK, Network), *((each, STAGES[each]) for each in self.stages)):
            every = self._answers(table, kind, lambda name, _: self.values(name))
            answers = sum(1 for _ in islice(every, _MOST_COUNTED + 1))
            count *= answers
            if count > _MOST_COUNTED:
                return None
        return count

    def _answers(
        self, table: str, kind: type, values: Callable[[str, Declared], Sequence[Value]]
    ) -> Iterator[Any]:
        """Yield what each different way to answer the keys of one table with `values` makes."""

        def ask(walk: _Walk) -> Ask:
            return lambda name, declared: walk.suggest_categorical(name, values(name, declared))

        return _every_walk(lambda walk: built(table, kind, ask(walk)))

    def _skipping(self, kind: str) -> Mapping[str, Value]:
        """Return the answers that leave the stage of that kind out."""
        return self._skips.get(kind, {})

    @cached_property
    def _skips(self) -> Mapping[str, Mapping[str, Value]]:
        found: dict[str, dict[str, Value]] = {}
        for meanings in self.keys.values():
            for key in meanings:
                if key.declared.setting.skips is not None:
                    found.setdefault(key.table, {})[key.name] = key.declared.setting.skips
        return found

    def values(self, name: str) -> tuple[Value, ...]:
        """Return the values that a setting may have, one where it is settled."""
        if name in self.domains:
            return tuple(self.domains[name].values)
        return (_plain(self.keys[name][0].declared),)

    def _methods(self, key: Key) -> tuple[Value, ...]:
        return self.values(f"{key.table}.method")


def _network(values: Mapping[str, Value]) -> Network:
    network: Network | None = built(NETWORK, Network, lambda name, _: values[name])
    assert network is not None
    return network


def _ascending(values: Sequence[Value]) -> Sequence[Value]:
    """Return numbers in ascending order, and words as they stand."""
    return values if _are_words(values) else sorted(values)


def _are_words(values: Sequence[Value]) -> bool:
    return any(isinstance(value, str) for value in values)


def _plain(declared: Declared) -> Value:
    """Return a field's default as it stands in a domain: a method by its name."""
    value: Any = declared.default if declared.kinds is None else declared.default.kind
    plain: Value = value
    return plain


def _every_walk(make: Callable[["_Walk"], Made]) -> Iterator[Made]:
    """Yield what `make` makes of every different way to answer what it asks.

    What applies depends on what was answered before, so the answers are walked like a tree.
    """
    path: list[int] = []
    while True:
        walk = _Walk(path)
        yield make(walk)
        path = walk.taken
        while path and path[-1] + 1 == walk.options[len(path) - 1]:
            path.pop()
        if not path:
            return
        path[-1] += 1


class _Walk:
    """Answers as a path says, and with the first value of everything beyond its end."""

    def __init__(self, path: list[int]) -> None:
        self._path = path
        self.taken: list[int] = []
        self.options: list[int] = []

    def suggest_float(
        self,
        name: str,  # noqa: ARG002
        low: float,
        high: float,
        *,
        step: float | None = None,
        log: bool = False,  # noqa: ARG002
    ) -> float:
        """Return low plus as many steps as the path says."""
        size = step or 1.0
        return low + size * self._turn(1 + round((high - low) / size))

    def suggest_categorical(self, name: str, choices: Any) -> Any:  # noqa: ARG002
        """Return the choice that the path says."""
        return choices[self._turn(len(choices))]

    def _turn(self, options: int) -> int:
        depth = len(self.taken)
        turn = self._path[depth] if depth < len(self._path) else 0
        self.taken.append(turn)
        self.options.append(options)
        return turn
