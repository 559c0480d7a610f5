"""Roundings that look at what a layer gives, against their definitions and every other choice."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from objectives.quantization import quantize_weight
from objectives.quantization.roundings import (
    Moments,
    best_scale,
    chosen_weight,
    coordinate_descent,
    fitted_scale,
    gpfq,
    output_error,
)
from spaces import ROUNDINGS

OUT, WIDE, EXAMPLES = 6, 4, 40
LEARNED = [name for name in ROUNDINGS if name != "nearest"]


def layer(seed: int, groups: int = 1) -> tuple[Tensor, Tensor, Tensor, Moments]:
    """Return weights [out, d], what is read in floats and rounded [groups, d, n], and the sums."""
    torch.manual_seed(seed)
    mixing = torch.randn(groups, WIDE, WIDE, dtype=torch.float64)
    exact = mixing @ torch.randn(groups, WIDE, EXAMPLES, dtype=torch.float64)
    rounded = exact + 0.1 * torch.randn_like(exact)
    weight = torch.randn(OUT, WIDE, dtype=torch.float64)
    moments = Moments(rounded @ exact.transpose(1, 2), rounded @ rounded.transpose(1, 2))
    return weight, exact, rounded, moments


def outputs(weight: Tensor, read: Tensor) -> Tensor:
    return (weight.reshape(len(read), -1, WIDE) @ read).reshape(OUT, -1)


@pytest.mark.parametrize("groups", [1, 3])
def test_the_error_is_that_of_what_the_layer_gives(groups: int) -> None:
    weight, exact, rounded, moments = layer(1, groups)
    other = weight + 0.3 * torch.randn_like(weight)
    wanted = outputs(weight, exact)
    squares = ((wanted - outputs(other, rounded)) ** 2).sum(1) - (wanted**2).sum(1)
    torch.testing.assert_close(output_error(weight, other, moments), squares)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("limit", [1, 7])
def test_gpfq_follows_the_path_of_its_definition(groups: int, limit: int) -> None:
    weight, exact, rounded, moments = layer(2, groups)
    scale = weight.abs().amax(1) / limit
    found = gpfq(weight, scale, limit, moments)
    for row in range(OUT):
        group = row * groups // OUT
        path = torch.zeros(EXAMPLES, dtype=torch.float64)
        for t in range(WIDE):
            path = path + weight[row, t] * exact[group, t]
            shown = rounded[group, t]
            code = (shown @ path / (shown @ shown) / scale[row]).round().clamp(-limit, limit)
            assert found[row, t] == code
            path = path - code * scale[row] * shown


@pytest.mark.parametrize("seed", range(5))
def test_no_single_code_betters_where_coordinate_descent_ends(seed: int) -> None:
    print("seed", seed)
    weight, _, _, moments = layer(seed, groups=2)
    limit = 3
    scale = weight.abs().amax(1) / limit
    begun = gpfq(weight, scale, limit, moments)
    ended = coordinate_descent(weight, begun, scale, limit, moments, sweeps=100)
    error = output_error(weight, ended * scale[:, None], moments)
    assert torch.all(error <= output_error(weight, begun * scale[:, None], moments) + 1e-9)
    for t, code in product(range(WIDE), range(-limit, limit + 1)):
        other = ended.clone()
        other[:, t] = code
        assert torch.all(output_error(weight, other * scale[:, None], moments) >= error - 1e-9)


def test_the_best_scale_is_where_the_error_is_least() -> None:
    weight, _, _, moments = layer(3)
    codes = gpfq(weight, weight.abs().amax(1) / 3, 3, moments)
    codes[0] = 0
    scale = best_scale(weight, codes, torch.full((OUT,), 0.5, dtype=torch.float64), moments)
    assert scale[0] == 0.5
    least = output_error(weight, codes * scale[:, None], moments)[1:]
    for factor in (0.99, 1.01):
        other = output_error(weight, codes * (factor * scale)[:, None], moments)[1:]
        assert torch.all(other > least)


def test_a_fitted_scale_is_the_best_share_of_the_largest_weight() -> None:
    weight, _, _, moments = layer(4)
    weight[2] = 0
    scale = fitted_scale(weight, 1, moments)
    counts = moments.own[0].diagonal()
    for row in range(OUT):
        shares = torch.linspace(0.3, 1, 15, dtype=torch.float64) * weight[row].abs().max()
        errors = [
            (counts * (weight[row] - (weight[row] / one).round().clamp(-1, 1) * one) ** 2).sum()
            for one in shares
        ]
        if weight[row].any():
            assert scale[row] == pytest.approx(shares[int(np.argmin(errors))])
    assert torch.all(scale > 0)


@pytest.mark.parametrize("bits", [8, 4, 3, 2])
@pytest.mark.parametrize("rounding", LEARNED)
def test_what_is_chosen_is_better_than_the_nearest_and_within_its_bits(
    rounding: str, bits: int
) -> None:
    weight, _, _, moments = layer(5)
    floats = weight.float().numpy().reshape(OUT, 1, 2, 2)
    nearest = quantize_weight(floats, bits)
    found = chosen_weight(floats, nearest, None, moments, rounding)
    limit = 2 ** (bits - 1) - 1
    assert found.codes.dtype == np.int8
    assert found.codes.shape == floats.shape
    assert np.abs(found.codes).max() <= limit
    errors = [
        float(output_error(weight, torch.from_numpy(one.floats).double().flatten(1), moments).sum())
        for one in (nearest, found)
    ]
    assert errors[1] < errors[0]


@pytest.mark.parametrize("rounding", LEARNED)
def test_scales_keep_to_their_floor_and_unseen_weights_to_themselves(rounding: str) -> None:
    weight, _, rounded, _ = layer(6)
    rounded[:, 1] = 0
    own = rounded @ rounded.transpose(1, 2)
    floats = weight.float().numpy()
    floor = np.full(OUT, 0.7, np.float32)
    nearest = quantize_weight(floats, 4, floor)
    found = chosen_weight(floats, nearest, floor, Moments(own, own), rounding)
    assert np.all(found.scale >= floor * (1 - 1e-6))
    np.testing.assert_array_equal(found.codes[:, 1], np.rint(floats[:, 1] / found.scale))


def test_an_unknown_rounding_is_not_taken_for_another() -> None:
    weight, _, _, moments = layer(7)
    floats = weight.float().numpy()
    with pytest.raises(KeyError):
        chosen_weight(floats, quantize_weight(floats, 4), None, moments, "up")
