"""The baselines of a study: simpler ways to the same end, in every study and every report."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from objectives import CostTable
from spaces import (
    NETWORK,
    SCHEME_KEY,
    STAGES,
    WHOLE,
    ChainConfig,
    Declared,
    Network,
    Space,
    Value,
)

TEACHER_ITSELF = "teacher"
TEACHER_QUANTIZED = "teacher quantized directly"
STUDENT_ALONE = "student without the teacher"

_MOST_NETWORKS = 4
"""Of more only the smallest, the middle one and the largest are trained without the teacher."""


@dataclass(frozen=True)
class Baseline:
    """A student that leaves a step out."""

    words: str
    chain: ChainConfig
    late: bool = False
    """Whether it is trained when the search has had its trials: who looks at a report wants it,
    who looks for a front can do without (docs/decisions)."""


def student_baselines(space: Space, costs: CostTable) -> tuple[Baseline, ...]:
    """Return the students that leave a step out, in the order in which they are trained.

    Of every network (at most three, where there are many) the student without the teacher, after
    its first stage alone, so that a chosen point finds its own. Of the smallest also every prefix
    of the chain. The shortest of these and the largest network without the teacher come before the
    search, which learns from them, the others after it. Settings are what they declare for
    baselines. A study has no baseline that its space cannot make.
    """
    by_flops = sorted(space.networks, key=lambda one: costs.of(one.key, space.schemes[0]).flops)
    networks = list(dict.fromkeys(replace(one, pruned=WHOLE) for one in by_flops))
    prefixes, alone = _prefixes(space, networks[0]), _alone(space, networks)
    first = (*prefixes[:1], *alone[-1:])
    return (*first, *(replace(one, late=True) for one in (*alone[:-1], *prefixes[1:])))


def _prefixes(space: Space, network: Network) -> list[Baseline]:
    """Return what is taught and leaves later stages out; what leaves none out is the search's."""
    found = []
    for stages in range(1, len(space.stages)):
        if all(map(space.can_skip, space.stages[stages:])):
            chain = _chain(space, network, stages, alone=False)
            if chain.student.needs_teacher and len(chain.student.stages) == stages:
                last, left_out = STAGES[space.stages[stages - 1]], STAGES[space.stages[stages]]
                found.append(Baseline(f"student {last.done}, not {left_out.done}", chain))
    return found


def _alone(space: Space, networks: list[Network]) -> list[Baseline]:
    if not all(map(space.can_skip, space.stages[1:])):
        return []
    if len(networks) > _MOST_NETWORKS:
        networks = [networks[0], networks[len(networks) // 2], networks[-1]]
    chains = [_chain(space, network, 1, alone=True) for network in networks]
    return [Baseline(STUDENT_ALONE, chain) for chain in chains if not chain.student.needs_teacher]


def _chain(space: Space, network: Network, stages: int, *, alone: bool) -> ChainConfig:
    """Return the chain of a baseline's settings that ends after so many of the space's stages."""
    left_out: dict[str, Value] = {}
    for kind in space.stages[stages:]:
        left_out |= space.skipping(kind)

    def ask(name: str, declared: Declared) -> Value:
        setting = declared.setting
        values = space.values(name)
        if name.startswith(f"{NETWORK}."):
            value: Value = getattr(network, declared.name)
            return value
        if name == SCHEME_KEY:
            return values[0]
        if name in left_out:
            return left_out[name]
        teacherless = [value for value in declared.alone if value in values]
        if alone and teacherless:
            return teacherless[0]
        left = [value for value in values if value not in {setting.skips, *teacherless}]
        return _baseline_value(left or list(values), setting.baseline)

    return space.chain(ask)


def _baseline_value(values: list[Value], wanted: Value | None) -> Value:
    """Return the value nearest to what is wanted; without that the middle one, or first word."""
    numbers = sorted(value for value in values if isinstance(value, int | float))
    if len(numbers) < len(values):
        return wanted if wanted in values else values[0]
    if not isinstance(wanted, int | float):
        return numbers[len(numbers) // 2]
    distance: Callable[[float], float] = lambda value: abs(value - wanted)  # noqa: E731
    return min(numbers, key=distance)
