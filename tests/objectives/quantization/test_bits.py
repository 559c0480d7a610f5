"""Bits by layer under a budget, against every other plan."""

from itertools import product

import numpy as np
import pytest

from objectives.quantization import bits_of_layers
from spaces import WIDTHS, InputError

WEIGHTS = {"a": 432, "b": 2304, "c": 9216, "d": 640, "e": 36864}


def random_losses(seed: int) -> dict[str, tuple[float, ...]]:
    random = np.random.default_rng(seed)
    return {name: tuple(np.sort(random.lognormal(-3, 2, len(WIDTHS)))) for name in WEIGHTS}


@pytest.mark.parametrize("budget", [2.0, 2.5, 3.0, 4.1, 8.0])
@pytest.mark.parametrize("seed", range(4))
def test_no_plan_within_the_budget_loses_less(seed: int, budget: float) -> None:
    print("seed", seed)
    losses = random_losses(seed)
    total = sum(WEIGHTS.values())

    def cost(plan: dict[str, int]) -> tuple[float, float]:
        bits = sum(WEIGHTS[name] * width for name, width in plan.items()) / total
        return bits, sum(losses[name][WIDTHS.index(width)] for name, width in plan.items())

    found = bits_of_layers(WEIGHTS, losses, budget)
    bits, lost = cost(found)
    assert bits <= budget + 1e-9
    every = (dict(zip(WEIGHTS, widths, strict=True)) for widths in product(WIDTHS, repeat=5))
    least = min(other for within, other in map(cost, every) if within <= budget + 1e-9)
    assert lost == pytest.approx(least, rel=1e-6)


def test_layers_that_nobody_measured_count_as_one_does_on_average() -> None:
    losses = random_losses(1)
    usual = tuple(np.mean(list(losses.values()), axis=0))
    more = {**WEIGHTS, "f": 5000}
    assert bits_of_layers(more, losses, 3) == bits_of_layers(more, {**losses, "f": usual}, 3)
    assert set(bits_of_layers(WEIGHTS, {}, 3).values()) <= set(WIDTHS)


def test_a_budget_below_the_least_is_refused() -> None:
    with pytest.raises(InputError, match=r"need 2 bits a weight or more, got 1.9"):
        bits_of_layers(WEIGHTS, {}, 1.9)
