"""A point's file layer by layer, in words, rows and small pictures."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import log1p

from objectives import LayersOfPoint, TensorHistogram
from reports import words

OPERATORS = {
    "Add": "sums of two branches",
    "Cast": "numbers into another type",
    "DequantizeLinear": "integers into floats",
    "DynamicQuantizeLinear": "floats into integers, with the range of each call",
    "DynamicQuantizeMatMul": "linear layers with the range of each call",
    "QLinearAdd": "sums of two branches in integers; in floats convolutions add along",
    "QLinearAveragePool": "averages in integers",
    "QLinearGlobalAveragePool": "averages in integers",
    "QuantizeLinear": "floats into integers",
    "ReorderInput": "into the order in memory that float convolutions want",
    "ReorderOutput": "out of the order in memory that float convolutions want",
    "Transpose": "another order in memory; integer convolutions want channels last",
}
"""What kernels beside layers do, in words, where their name does not say it."""
_MOST_NAMED = 4
_LEAST_US = 0.5
"""Smaller differences are not told: the profiler counts in whole microseconds."""
_MOST_HISTOGRAMS = 24
WIDTH, HEIGHT = 120, 44
"""Of a histogram."""


@dataclass(frozen=True)
class Bar:
    """A bin of a histogram, in its picture."""

    x: float
    y: float
    width: float
    height: float
    cut: bool


@dataclass(frozen=True)
class SmallHistogram:
    """A histogram to be drawn WIDTH by HEIGHT, its heights by logarithm."""

    name: str
    bars: tuple[Bar, ...]
    said: str


def told(found: LayersOfPoint) -> tuple[str, ...]:
    """Return what the figures say, as sentences: first why it is slower, or faster."""
    return tuple(filter(None, (*_times(found), _floats(found), _bytes(found), _losses(found))))


def _times(found: LayersOfPoint) -> Iterable[str]:
    more = found.us.more
    yield (
        f"The {words.scheme(found.scheme)} file takes {_us(found.us.after)} a call, "
        f"{_us(abs(more))} {'more' if more > 0 else 'less'} than the fp32 file "
        f"({_us(found.us.before)})."
    )
    parts = {"the layers": sum(each.us.more for each in found.layers)}
    parts |= {each.name: each.us.more for each in found.others}
    parts["between kernels"] = found.between_us.more
    longer = {name: part for name, part in parts.items() if part >= _LEAST_US}
    shorter = {name: -part for name, part in parts.items() if part <= -_LEAST_US}
    # What decides comes first.
    both = [("What takes longer", longer), ("What takes less", shorter)]
    for title, named in both if more > 0 else both[::-1]:
        if named:
            yield f"{title}: {_largest(named)}."
    slower = {each.name: each.us.more for each in found.layers if each.us.more >= 2 * _LEAST_US}
    if slower:
        yield f"Layers that are slower themselves: {_largest(slower)}."


def _largest(parts: dict[str, float]) -> str:
    ordered = sorted(parts.items(), key=lambda part: -part[1])
    told = [f"{name} {_us(us)}" for name, us in ordered[:_MOST_NAMED]]
    rest = [us for _, us in ordered[_MOST_NAMED:]]
    return ", ".join([*told, *([f"{len(rest)} more together {_us(sum(rest))}"] if rest else [])])


def _floats(found: LayersOfPoint) -> str:
    """Say which layers stayed in floats, and why."""
    reasons: dict[str, list[str]] = {}
    for layer in found.layers:
        if layer.why_floats:
            reasons.setdefault(layer.why_floats, []).append(layer.name)
    if not reasons:
        return f"All {len(found.layers)} layers multiply integers."
    told = []
    for why, names in reasons.items():
        if len(names) == len(found.layers):
            return f"All {len(names)} layers stayed in floats: {why}."
        rest = len(names) - _MOST_NAMED
        named = ", ".join(names[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
        told.append(f"{named} ({why})")
    count = sum(map(len, reasons.values()))
    return f"{count} of {len(found.layers)} layers stayed in floats: {'; '.join(told)}."


def _bytes(found: LayersOfPoint) -> str:
    of_layers = sum(each.bytes.after for each in found.layers)
    whole = found.size_bytes
    largest = max(found.layers, key=lambda each: each.bytes.after)
    return (
        f"Of its {words.size(whole.after)} (fp32 {words.size(whole.before)}) layers take "
        f"{words.size(of_layers)}, the most {largest.name} with "
        f"{words.size(largest.bytes.after)}; the graph and its names take "
        f"{words.size(found.graph_bytes.after)}."
    )


def _losses(found: LayersOfPoint) -> str:
    losses = {each.name: each.loss for each in found.layers if each.loss is not None}
    ordered = sorted(losses.items(), key=lambda named: -named[1].kl_nats)
    if not ordered:
        return ""
    if ordered[0][1].kl_nats < 1e-4:
        return "No layer rounded alone changes what the network says by 0.0001 nats of KL."
    told = [f"{name} {words.nats(loss.kl_nats)}" for name, loss in ordered[:3]]
    return f"Rounded alone these lose most, in nats of KL: {', '.join(told)}."


def small_histograms(found: LayersOfPoint) -> tuple[SmallHistogram, ...]:
    """Return at most 24 histograms, of what is cut off most, in graph order."""
    most = sorted(found.histograms, key=lambda each: -each.cut)[:_MOST_HISTOGRAMS]
    return tuple(_drawn(each) for each in found.histograms if each in most)


def _drawn(one: TensorHistogram) -> SmallHistogram:
    wide, tall = WIDTH / len(one.counts), log1p(max(one.counts))
    step = (one.high - one.low) / len(one.counts)
    bars = []
    for at, count in enumerate(one.counts):
        height = HEIGHT * log1p(count) / tall if tall else 0.0
        middle = one.low + (at + 0.5) * step
        cut = not one.kept_low <= middle <= one.kept_high
        x, y = round(at * wide, 2), round(HEIGHT - height, 2)
        bars.append(Bar(x, y, round(wide, 2), round(height, 2), cut and one.cut > 0))
    kept = f"{max(one.low, one.kept_low):.3g} to {min(one.high, one.kept_high):.3g}"
    said = f"{one.low:.3g} to {one.high:.3g}"
    if one.cut > 0:
        said = f"{said}, kept {kept}: {_share(one.cut)} cut off"
    return SmallHistogram(one.name, tuple(bars), said)


def _share(share: float) -> str:
    return f"{100 * share:.2g} %"


def _us(us: float) -> str:
    return f"{us:.1f} µs" if us < 10 else f"{us:.0f} µs"
