"""Channels between two layers scaled so that one scale per layer suits all of them."""

import numpy as np
from numpy.typing import NDArray

_LEAST = 1e-4
"""Of a layer's largest weight. A channel of smaller ones has decayed: its bias would explode."""
_Array = NDArray[np.float32]


def equal_ranges(first: _Array, second: _Array, groups: int, least: _Array) -> NDArray[np.float32]:
    """Return s [channels]: first / s and second * s have equal ranges, channel by channel.

    s = sqrt(range of the first / range of the second) (Nagel et al. 2019, equation 11), no smaller
    than `least` [channels]; 1 where a channel has no weights, or
    hardly any, on one side. first: [channels, ...],
    what gives the channels. second: [out, channels / groups, ...], what reads them.
    """
    given = np.abs(first).reshape(len(first), -1).max(1)
    by_group = np.abs(second).reshape(groups, len(second) // groups, second.shape[1], -1)
    read = by_group.max((1, 3)).reshape(-1)
    some = (given > _LEAST * given.max()) & (read > _LEAST * read.max())
    found = np.sqrt(np.where(some, given, 1)) / np.sqrt(np.where(some, read, 1))
    return np.where(some, np.maximum(found, least), 1).astype(np.float32)
