"""The range of a tensor, from what it was on calibration images: one observer a name."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from objectives.quantization.activations import SMALLEST_SCALE, Range
from spaces import OBSERVERS, PERCENTILES

_BINS = 4096
"""Of a histogram over the whole range: ranges are exact to 1 / 4096 of it."""
_SHARES = np.linspace(0.1, 1, 46)
"""Of an end of the whole range: where a range of least squared error may end."""
_TURNS = 2
"""So often the ends are chosen, each while the other stays."""

_OF_ENDS = ("min_max", "moving_average")
"""Observers that ask for no histogram."""
_KEPT_BYTES = 2**29
"""Of tensors, at most, that are kept until their ends are known; beyond, the images run twice."""

Batches = Iterable[tuple[str, NDArray[np.float32]]]
"""Tensors by name, [images, ...], batch by batch."""
Values = Callable[[], Batches]
"""Gives them, as often as it is asked."""


class Observed:
    """What tensors were on calibration images; found when first asked for, for every observer."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._ends: Mapping[str, NDArray[np.float32]] | None = None
        self._counts: Mapping[str, NDArray[np.int64]] | None = None

    def ranges(self, observer: str) -> Mapping[str, Range]:
        """Return each tensor's range by an observer of spaces.OBSERVERS; KeyError for another.

        Moving averages are over images, whatever the batches (onnxruntime's, an image a batch).
        """
        if observer not in OBSERVERS:
            raise KeyError(observer)
        kept: Batches | None = None
        if self._ends is None:
            self._ends, kept = _ends_of(self._values(), 0 if observer in _OF_ENDS else _KEPT_BYTES)
        if observer == "moving_average":
            means = {name: ends.mean(1, dtype=np.float64) for name, ends in self._ends.items()}
            return {name: Range(*map(float, ends)) for name, ends in means.items()}
        whole = {
            name: Range(float(low.min()), float(high.max()))
            for name, (low, high) in self._ends.items()
        }
        if observer == "min_max":
            return whole
        if self._counts is None:
            self._counts = _counts_of(self._values() if kept is None else kept, whole)
        counts = self._counts
        if observer == "mse":
            return {name: _least_error(counts[name], seen) for name, seen in whole.items()}
        share = PERCENTILES[observer]
        return {name: central(counts[name], seen, share) for name, seen in whole.items()}


def _ends_of(
    values: Batches, keep_bytes: int
) -> tuple[Mapping[str, NDArray[np.float32]], Batches | None]:
    """Return each tensor's smallest and largest value of every image, [2, images].

    And all of `values` where they have no more than so many bytes, else None.
    """
    ends = dict[str, list[NDArray[np.float32]]]()
    kept, left = list[tuple[str, NDArray[np.float32]]](), keep_bytes
    for name, tensor in values:
        rows = tensor.reshape(len(tensor), -1)
        ends.setdefault(name, []).append(np.stack([rows.min(1), rows.max(1)]))
        left -= tensor.nbytes
        if left < 0:
            kept.clear()
        else:
            kept.append((name, tensor))
    found = {name: np.concatenate(batches, axis=1) for name, batches in ends.items()}
    return found, kept if left >= 0 else None


def _counts_of(values: Batches, whole: Mapping[str, Range]) -> Mapping[str, NDArray[np.int64]]:
    """Return how many values lie in each bin of their tensor's whole range, [bins]."""
    edges = {name: np.linspace(one.low, one.high, _BINS + 1) for name, one in whole.items()}
    counts = {name: np.zeros(_BINS, np.int64) for name in whole}
    for name, tensor in values:
        counts[name] += histogram(tensor, edges[name])
    return counts


def histogram(values: NDArray[np.float32], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many of `values`, all between the first and the last edge, lie in each bin.

    The same counts as numpy's, [edges - 1]: sorting 32-bit floats takes less than finding a bin
    for each of them.
    """
    # A float is at or beyond an edge where it is at or beyond the first float that is.
    first = edges.astype(np.float32)
    first = np.where(first < edges, np.nextafter(first, np.float32(np.inf)), first)
    ordered = np.sort(values, axis=None)
    at = ordered.searchsorted(first)
    at[-1] = len(ordered)
    return np.diff(at)


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
