"""Successive nondominated layers."""

import numpy as np
from numpy.typing import NDArray

from objectives.fronts import Losses, nondominated


def layers(losses: Losses) -> NDArray[np.int_]:
    """Return [points], 0 for the nondominated, 1 for those so without layer 0, and so on.

    Equal points share a layer (nondominated sorting: Deb et al. 2002, section III A); NaN raises.
    """
    numbers = np.zeros(len(losses), dtype=np.int_)
    left, layer = np.arange(len(losses)), 0
    while left.size:
        members = nondominated(losses[left])
        numbers[left[members]] = layer
        left, layer = left[~members], layer + 1
    return numbers
