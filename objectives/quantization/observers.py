"""The range of a tensor, from what it was on calibration images: one observer a name."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from objectives.quantization.activations import SMALLEST_SCALE, Range
from spaces import PERCENTILES

_BINS = 4096
"""Of a histogram over the whole range: ranges are exact to 1 / 4096 of it."""
_SHARES = np.linspace(0.1, 1, 46)
"""Of an end of the whole range: where a range of least squared error may end."""
_TURNS = 2
"""So often the ends are chosen, each while the other stays."""

Values = Callable[[], Iterator[tuple[str, NDArray[np.float32]]]]
"""Gives tensors by name, [images, ...], batch by batch; as often as it is asked."""


def ranges_seen(values: Values, observer: str) -> Mapping[str, Range]:
    """Return each tensor's range by an observer of spaces.OBSERVERS; raises KeyError for another.

    Moving averages are over images, whatever the batches (onnxruntime's, an image a batch).
    """
    whole, ends = dict[str, Range](), dict[str, list[NDArray[np.float32]]]()
    for name, tensor in values():
        rows = tensor.reshape(len(tensor), -1)
        ends.setdefault(name, []).append(np.stack([rows.min(1), rows.max(1)]))
    for name, batches in ends.items():
        low, high = np.concatenate(batches, axis=1)
        whole[name] = Range(float(low.min()), float(high.max()))
        if observer == "moving_average":
            whole[name] = Range(*(float(end.mean(dtype=np.float64)) for end in (low, high)))
    if observer in ("min_max", "moving_average"):
        return whole
    counts = {name: np.zeros(_BINS, np.int64) for name in whole}
    for name, tensor in values():
        seen = whole[name]
        # In 64 bits: in 32 a range of a few neighbouring numbers has no 4096 bins.
        between = np.float64(seen.low), np.float64(seen.high)
        counts[name] += np.histogram(tensor, _BINS, between)[0]
    if observer == "mse":
        return {name: _least_error(counts[name], seen) for name, seen in whole.items()}
    share = PERCENTILES[observer]
    return {name: central(counts[name], seen, share) for name, seen in whole.items()}


def central(counts: NDArray[np.int64], whole: Range, percentile: float) -> Range:
    """Return the range that holds the central `percentile` percent of a histogram over `whole`."""
    share = np.cumsum(counts) / counts.sum()
    cut = (1 - percentile / 100) / 2
    edges = np.linspace(whole.low, whole.high, len(counts) + 1)
    first = int(np.searchsorted(share, cut, side="right"))
    last = int(np.searchsorted(share, 1 - cut, side="left"))
    return Range(float(edges[first]), float(edges[last + 1]))


def _least_error(counts: NDArray[np.int64], whole: Range) -> Range:
    """Return the range whose grid has the least squared error on a histogram over `whole`."""
    edges = np.linspace(whole.low, whole.high, len(counts) + 1)
    values, there = (edges[:-1] + edges[1:]) / 2, counts > 0
    values, heavy = values[there], counts[there]
    low, high = whole.low, whole.high
    for _ in range(_TURNS if low < 0 < high else 1):
        if whole.high > 0:
            ends = whole.high * _SHARES
            high = float(ends[_errors(values, heavy, np.full_like(ends, low), ends).argmin()])
        if whole.low < 0:
            ends = whole.low * _SHARES
            low = float(ends[_errors(values, heavy, ends, np.full_like(ends, high)).argmin()])
    return Range(low, high)


def _errors(
    values: NDArray[np.float64],
    heavy: NDArray[np.int64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the squared error of `values` on the grid of each range (activation_grid), [ranges].

    heavy: how often each value is there.
    """
    low, high = np.minimum(low, 0)[:, None], np.maximum(high, 0)[:, None]
    scale = np.maximum((high - low) / 255, SMALLEST_SCALE)
    zero = np.rint(-low / scale).clip(0, 255)
    codes = (np.rint(values / scale) + zero).clip(0, 255)
    errors: NDArray[np.float64] = (heavy * (values - (codes - zero) * scale) ** 2).sum(1)
    return errors
