"""Bits of each layer under a budget for all of them: a knapsack."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from spaces import WIDTHS, InputError


def bits_of_layers(
    weights: Mapping[str, int], losses: Mapping[str, Sequence[float]], budget: float
) -> dict[str, int]:
    """Return the bits of each layer, one of WIDTHS, that lose least together.

    weights: how many each layer has. losses: by layer what it loses, by WIDTHS; a layer that is not
    there loses what a layer does on average. budget: bits a weight, on average over all weights.
    Losses of layers are taken to add up. Raises InputError where the budget is below the least.
    """
    names, widths = list(weights), np.array(WIDTHS)
    usual = np.mean([*losses.values()], axis=0) if losses else -widths.astype(float)
    lost = np.array([losses.get(name, usual) for name in names])
    sizes = np.array([weights[name] for name in names])
    if budget < widths.min():
        raise InputError(f"bits by layer need {widths.min()} bits a weight or more, got {budget:g}")
    # One variable a layer and width: whether it is the layer's.
    bits = (sizes[:, None] * widths[None, :]).reshape(1, -1) / sizes.sum()
    one_each = np.kron(np.eye(len(names)), np.ones((1, len(widths))))
    # Of plans that lose the same the smaller one.
    found = milp(
        lost.reshape(-1) + 1e-9 * bits[0],
        constraints=[LinearConstraint(bits, ub=budget), LinearConstraint(one_each, 1, 1)],
        integrality=np.ones(lost.size),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0.0},
    )
    chosen = found.x.reshape(lost.shape).argmax(1)
    return {name: int(widths[at]) for name, at in zip(names, chosen, strict=True)}
