"""What every artifact weighs and takes: the cost table, known before the first trial."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import median

from spaces import InputError, scheme_named

BUSY = 3.0
"""A teacher's p95 over its median on a machine that does something else: 1.0 to 1.5 on one that
does not, up to 13 on two cores that several programs share."""


@dataclass(frozen=True)
class Cost:
    """Size and latency of one network in one layout, on one device and runtime."""

    network: str
    """Network.key."""
    layout: str
    """Layout.key."""
    size_bytes: int
    """Bytes of the artifact on disk; the same for every set of weights."""
    median_ms: float
    """One image, median over calls and then over processes."""
    p95_ms: float
    """One image, 95th percentile over calls, then median over processes."""
    repeatability: float
    """Largest relative distance of a process's median from `median_ms`: 0.02 is two percent."""
    latency_ms: float
    """The objective: the median of this cost's level, equal for all costs that are ties."""
    flops: int
    """Multiply-adds of one image, by fvcore."""
    parameters: int
    """Weights and biases of the float network."""


@dataclass(frozen=True)
class CostTable:
    """The costs of everything a study can reach, with where and how they were measured."""

    costs: tuple[Cost, ...]
    teacher: str
    """Network.key of the teacher, which stands in the table in every layout too."""
    runtime: str
    device: dict[str, str]
    """Fingerprint of the machine and runtime: processor, cores, system, versions."""
    processes: int
    """Fresh processes each artifact was timed in."""
    calls: int
    """Timed calls per process, after warm-up."""
    threads: int
    """Threads of the runtime."""
    imported: bool = False
    """True when `--costs` brought it from another device."""

    def of(self, network: str, scheme: str) -> Cost:
        """Return one network's cost under a scheme, by the name of that: its layout alone decides.

        Raises InputError when the table lacks it.
        """
        layout = scheme_named(scheme).layout.key
        if (network, layout) not in self._by_key:
            there = ", ".join(f"{layout} of {network}" for network, layout in sorted(self._by_key))
            raise InputError(f"the cost table has no {layout} of {network}: it has {there}")
        return self._by_key[network, layout]

    def has(self, network: str, scheme: str) -> bool:
        """Say whether the table has what `of` would be asked for."""
        return (network, scheme_named(scheme).layout.key) in self._by_key

    @cached_property
    def _by_key(self) -> dict[tuple[str, str], Cost]:
        return {(cost.network, cost.layout): cost for cost in self.costs}

    @property
    def unevenness(self) -> float:
        """The teacher's p95 over its median: hardly above 1 where nothing else ran."""
        itself = self.of(self.teacher, "fp32")
        return itself.p95_ms / itself.median_ms

    @property
    def busy_words(self) -> str:
        """That the machine was busy while it was measured, and by what one sees it; else empty."""
        if self.unevenness <= BUSY:
            return ""
        return (
            "the machine was busy while costs were measured: one call in twenty of the teacher "
            f"took {self.unevenness:.1f} times its median or longer"
        )

    @property
    def repeatability(self) -> float:
        """The table's own: half of its latencies repeat themselves this well or better."""
        return median(cost.repeatability for cost in self.costs)


def with_levels(costs: Iterable[Cost], repeatability: float) -> tuple[Cost, ...]:
    """Return `costs` with latencies that cannot be told apart set to one level.

    Two cannot when they differ by no more than the larger of their repeatabilities and
    `repeatability`. Such ties are not transitive, and dominance must be. So latencies are taken in
    ascending order, and each joins the level that the fastest open one began when it cannot be
    told from that; the level's value is its members' median.
    """
    ordered = sorted(costs, key=lambda cost: cost.median_ms)
    levels: list[list[Cost]] = []
    for cost in ordered:
        first = levels[-1][0] if levels else cost
        least = max(repeatability, first.repeatability, cost.repeatability)
        if levels and cost.median_ms <= first.median_ms * (1 + least):
            levels[-1].append(cost)
        else:
            levels.append([cost])
    return tuple(
        replace(cost, latency_ms=_round(level[len(level) // 2].median_ms))
        for level in levels
        for cost in level
    )


def _round(milliseconds: float, digits: int = 4) -> float:
    if milliseconds <= 0 or not math.isfinite(milliseconds):
        raise InputError(f"a latency must be a positive number of milliseconds, got {milliseconds}")
    return float(f"{milliseconds:.{digits}g}")
