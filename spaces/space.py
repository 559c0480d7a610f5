"""The search space of a study: a domain for every setting, and the way from a trial to a chain."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from spaces.answers import are_words, can_apply, every_stage, leaving_out
from spaces.domains import Domain, TrialLike, Value
from spaces.errors import InputError
from spaces.keys import NETWORK, QUANTIZE, SCHEME_KEY, Ask, Key, answers_of, built, keys_of
from spaces.network import Network, network_in_words
from spaces.orders import (
    ORDER_KEY,
    Order,
    count_students,
    layouts_after,
    networks_after,
    order_in_words,
    order_key,
    order_of_words,
    without_a_beginning,
)
from spaces.schemes import Quantize, scheme_named
from spaces.settings import Declared
from spaces.stages import ANY_LAYOUT, STAGES, Stage
from spaces.student import ChainConfig, StudentConfig
from spaces.walks import every_walk


@dataclass(frozen=True)
class Space:
    """What can be chosen. A setting with one value is settled and never asked for."""

    stages: tuple[str, ...]
    """Kinds of the chain's stages, in order."""
    domains: Mapping[str, Domain]
    """By dotted key; what is not among them has its field's default."""
    seed: int
    """Shared by all students of a study, so that comparisons are paired."""
    several_orders: tuple[Order, ...] = ()
    """Orders of the stages among which is chosen; empty: they are always in that of `stages`."""

    @property
    def orders(self) -> tuple[Order, ...]:
        """In which the stages can be."""
        return self.several_orders or (self.stages,)

    @cached_property
    def keys(self) -> Mapping[str, tuple[Key, ...]]:
        """Every setting there is for the chain, in the order in which they are asked."""
        order = {ORDER_KEY: (self._order_key,)} if self.several_orders else {}
        return {**order, **keys_of(self.stages)}

    @cached_property
    def _order_key(self) -> Key:
        return order_key(self.orders)

    def order_of(self, student: StudentConfig) -> Order:
        """Return the first order in which the student's stages stand, with those it leaves out."""
        own = [stage.kind for stage in student.stages]
        return next(one for one in self.orders if [kind for kind in one if kind in own] == own)

    @cached_property
    def searched(self) -> Mapping[str, Domain]:
        """The domains with several values, in the order in which they are asked.

        Settings of methods that the space does not have are not among them, nor those that apply
        to no value of the settings before them.
        """
        return {
            name: self.domains[name]
            for name, meanings in self.keys.items()
            if name in self.domains
            and len(self.domains[name].values) > 1
            and any(key.method is None or key.method in self._methods(key) for key in meanings)
            and can_apply(meanings[0], self.values)
        }

    @property
    def schemes(self) -> tuple[str, ...]:
        """Names of the schemes that a student can be offered to."""
        return tuple(str(name) for name in self.values(SCHEME_KEY))

    def schemes_for(self, layout: str) -> tuple[str, ...]:
        """Return those of a student that was trained for a layout, by its key, or ANY_LAYOUT."""
        return tuple(
            name
            for name in self.schemes
            if layout in (ANY_LAYOUT, scheme_named(name).layout.dense.key)
        )

    @property
    def layouts(self) -> tuple[str, ...]:
        """Keys of the layouts that students can be trained for, ANY_LAYOUT where for none."""
        return tuple(
            dict.fromkeys(one for order in self.orders for one in self._layouts_after(order))
        )

    def _layouts_after(self, order: Order) -> Sequence[str]:
        return layouts_after(order, self.keys, self.values, self.can_skip)

    @cached_property
    def networks(self) -> tuple[Network, ...]:
        """Every network that a student's files can have, each once; numbers ascend."""
        ends = (self._networks_after(order)[-1] for order in self.orders)
        return tuple(dict.fromkeys(one for networks in ends for one in networks))

    @cached_property
    def networks_trained(self) -> tuple[Network, ...]:
        """Those, and the ones that a stage trains before a later one prunes them."""
        after = [each for order in self.orders for each in self._networks_after(order)]
        return tuple(dict.fromkeys(one for networks in after for one in networks))

    def _networks_after(self, order: Order) -> Sequence[tuple[Network, ...]]:
        return networks_after(order, self.keys, self.values, self.can_skip)

    @property
    def teachers(self) -> tuple[str, ...]:
        """Names of the teachers that students can ask."""
        asked = (stage.teacher for stage in self.tried)
        return tuple(dict.fromkeys(name for name in asked if name is not None))

    @cached_property
    def tried(self) -> tuple[Stage, ...]:
        """Every stage that a student can have, by what decides whether it can at all.

        That is its method, all that is said of that in words, and the settings that declare it:
        who teaches, what it begins with. Each number is at its largest: on words alone, and on what
        a weight of 0 leaves out, depends which layers a method looks at.
        """

        def varies(name: str, declared: Declared) -> bool:
            of_method = declared.kinds is not None or self.keys[name][0].method is not None
            return declared.setting.tried or (of_method and are_words(self.values(name)))

        found: list[Stage] = []
        firsts = {kind for order in self.orders for kind in self._firsts(order)}
        for kind in self.stages:
            stages = every_stage(kind, self.values, varies)
            found += stages if kind in firsts else (stage.after_another for stage in stages)
        return tuple(dict.fromkeys(found))

    def _firsts(self, order: Order) -> Iterator[str]:
        """Yield the kinds of stages with which a student can begin."""
        for kind in order:
            yield kind
            if not self.can_skip(kind):
                return

    def labels(self, kind: str) -> tuple[str, ...]:
        """Return the label of every stage of that kind that a student can have, each once."""
        stages = every_stage(kind, self.values, lambda _, declared: declared.setting.tells_family)
        return tuple(dict.fromkeys(stage.label for stage in stages))

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
        order = self.stages
        if self.several_orders:
            order = order_of_words(str(ask(ORDER_KEY, self._order_key.declared)))
        stages = {kind: built(kind, STAGES[kind], ask) for kind in self.stages}
        kept: tuple[Stage, ...] = tuple(
            stage for kind in order if (stage := stages[kind]) is not None
        )
        assert network is not None
        return StudentConfig(network, kept, self.seed)

    def params_of(self, chain: ChainConfig) -> dict[str, Value]:
        """Return the Optuna parameters from which `suggest` makes `chain`, settled ones too.

        The scheme is always among them, though `suggest` may not ask for it.
        """
        student = chain.student
        params: dict[str, Value] = {}
        if self.several_orders:
            params[ORDER_KEY] = order_in_words(self.order_of(student))
        params |= answers_of(NETWORK, student.network)
        there = {stage.kind: stage for stage in student.stages}
        for kind in self.stages:
            if kind in there:
                params |= answers_of(kind, there[kind])
            else:
                params |= self.skipping(kind)
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
        skipping = self.skipping(kind)
        return bool(skipping) and all(
            value in self.values(name) for name, value in skipping.items()
        )

    def students(self) -> Iterator[StudentConfig]:
        """Yield every student that `suggest` can make, each once; what is asked last varies first.

        For grids, not for spaces of any size.
        """
        seen = set[StudentConfig]()
        for student in every_walk(lambda walk: self._student(self._asking(walk))):
            # A stage that is left out is so whatever was asked of it before.
            if student not in seen:
                seen.add(student)
                yield student

    @cached_property
    def size(self) -> int | None:
        """How many students there are; None when they are more than 100,000, and so not counted."""
        return count_students(self.orders, self.values)

    def skipping(self, kind: str) -> Mapping[str, Value]:
        """Return the answers that leave the stage of that kind out; none where it cannot be.

        The one that says so need not be a value of the space's.
        """
        return self._skips[kind]

    @cached_property
    def _skips(self) -> Mapping[str, Mapping[str, Value]]:
        return {kind: leaving_out(kind, self.values) for kind in self.stages}

    def clashes(self) -> Iterator[tuple[str, str]]:
        """Yield keys, and what is wrong, where a student could have values that cannot go together.

        No student of such a space may ever be drawn: `suggest` raises InputError.
        """
        yield from without_a_beginning(self.orders, self.skipping, self.values)
        for kind in self.stages:
            of_stage = {
                key.declared.name: self.values(key.name)
                for key, *_ in self.keys.values()
                if key.table == kind and key.method is None
            }
            for name, words in STAGES[kind].clashes(of_stage):
                yield f"{kind}.{name}", words

    def values(self, name: str) -> tuple[Value, ...]:
        """Return the values that a setting may have, one where it is settled."""
        if name in self.domains:
            return tuple(self.domains[name].values)
        return (_plain(self.keys[name][0].declared),)

    def _methods(self, key: Key) -> tuple[Value, ...]:
        return self.values(f"{key.table}.method")


def _plain(declared: Declared) -> Value:
    """Return a field's default as it stands in a domain: a method by its name."""
    return declared.named(declared.default)
