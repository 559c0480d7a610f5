"""What pruning leaves of a network, known without its weights: part of what costs are made of."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spaces.codec import digest
from spaces.errors import InputError

EVEN = "even"
"""Stands for no plan: every layer loses the same share of its channels."""
MOST = 0.95
"""Share of a layer that can go: a network without one of its layers is none."""
_STRONGEST = 10
"""How many times the share of all a layer may lose, by a plan."""
_PAIR = re.compile(r"(?P<layer>[^\s=]+)=(?P<weight>[0-9.]+)")


@dataclass(frozen=True)
class Pruned:
    """How many of each layer's channels are gone, and of what is left how many weights are zero.

    Which ones these are depends on the weights, and no cost does.
    """

    channels: float = 0.0
    """Share of every layer's channels that is removed, in [0, 1)."""
    multiple: int = 1
    """Of which each layer keeps a multiple of channels, where it has as many."""
    shares: str = EVEN
    """How the layers differ in what they lose, as `weights_of_layers` reads it."""
    weights: float = 0.0
    """Share of every layer's weights that is zero, in [0, 1)."""

    @property
    def key(self) -> str:
        """Short text that tells it from others, as at the end of Network.key: `-c0.5`."""
        multiple = "" if self.multiple == 1 else f"x{self.multiple}"
        plan = "" if self.shares == EVEN else f"p{digest(self.shares)[:6]}"
        channels = f"-c{self.channels:g}{multiple}{plan}" if self.channels else ""
        return channels + (f"-w{self.weights:g}{plan}" if self.weights else "")

    def zeros(self, layer: str, weights: int) -> int:
        """Return how many of a layer's weights are zero."""
        weight = weights_of_layers(self.shares).get(layer, 1.0)
        return min(weights - 1, round(weights * self.weights * weight))

    def left(self, layer: str, channels: int, together: int = 1) -> int:
        """Return how many of a layer's channels stay; together: channels that go one with another.

        The nearest multiple to what its share leaves, and no fewer than one multiple.
        """
        weight = weights_of_layers(self.shares).get(layer, 1.0)
        stays = 1 - self.channels * weight
        unit = together * max(1, -(-self.multiple // together))
        if channels <= unit:
            unit = together
        return min(channels, max(unit, unit * round(channels * stays / unit)))


WHOLE = Pruned()
"""Nothing is gone."""


@dataclass(frozen=True)
class LayerLosses:
    """What a network loses when one layer alone loses channels, or weights."""

    layer: str
    size: int
    """How many channels or weights it has."""
    losses: Mapping[float, float]
    """By share that goes: nats an image, mean KL to the whole network's answers."""

    def share_for(self, tolerated: float) -> float:
        """Return the largest share whose loss is at most `tolerated`, between those measured."""
        before, lost_before = 0.0, 0.0
        for share, lost in sorted(self.losses.items()):
            if lost > tolerated:
                part = (tolerated - lost_before) / (lost - lost_before)
                return before + (share - before) * max(part, 0.0)
            before, lost_before = share, lost
        return before


def plan_of(layers: Sequence[LayerLosses], amount: float) -> str:
    """Return `shares` by which layers lose alike in accuracy, and `amount` of all there is.

    Every layer loses the largest share at which it alone costs no more than one tolerance; which
    one that is follows from `amount` (bisection). Raises InputError where that is out of reach.
    """
    if not layers:
        raise InputError("nothing can be planned: no layer of the network can be pruned")
    sizes = sum(each.size for each in layers)

    def lost_by(each: LayerLosses, tolerated: float) -> float:
        return min(each.share_for(tolerated), _STRONGEST * amount)

    def gone(tolerated: float) -> float:
        return sum(each.size * lost_by(each, tolerated) for each in layers) / sizes

    low, high = 0.0, 2 * max(max(each.losses.values()) for each in layers)
    if gone(high) < amount:
        raise InputError(
            f"a plan for {amount:g} takes more than was measured: at most {gone(high):.3g}"
        )
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (low, middle) if gone(middle) >= amount else (middle, high)
    return " ".join(f"{each.layer}={round(lost_by(each, high) / amount, 3):g}" for each in layers)


def weights_of_layers(shares: str) -> Mapping[str, float]:
    """Return by name how much of the share a layer loses, from `conv1=0.5 layer1.0.conv1=1.2`.

    0 leaves a layer alone; of a layer that is not named it is 1. Raises InputError.
    """
    if shares == EVEN:
        return {}
    found: dict[str, float] = {}
    for pair in shares.split():
        read = _PAIR.fullmatch(pair)
        try:
            weight = float(read["weight"]) if read else -1.0
        except ValueError:
            weight = -1.0
        if read is None or not 0 <= weight <= _STRONGEST:
            raise InputError(
                f"shares must be {EVEN}, or pairs of a layer and a number in [0, 10] as "
                f"'conv1=0.5 layer1.0.conv1=1.2', got {pair!r}"
            )
        if read["layer"] in found:
            raise InputError(f"shares has layer {read['layer']} twice")
        found[read["layer"]] = weight
    if not found:
        raise InputError(f"shares must be {EVEN} or pairs of a layer and a number, got {shares!r}")
    return found
