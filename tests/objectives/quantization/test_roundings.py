"""Roundings that look at what a layer gives, against their definitions and every other choice."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from objectives.quantization import Form, Moments, quantize_weight, roundings
from objectives.quantization.moments import output_error
from objectives.quantization.roundings import (
    best_scale,
    chosen_weight,
    coordinate_descent,
    gpfq,
)
from objectives.quantization.weights import BLOCK, fitted_scale
from spaces import ROUNDINGS, Granularity

OUT, WIDE, EXAMPLES = 6, 4, 40
LEARNED = [name for name in ROUNDINGS if name != "nearest"]


def layer(seed: int, groups: int = 1) -> tuple[Tensor, Tensor, Tensor, Moments]:
    """Return weights [out, d], what is read in floats and rounded [groups, d, n], and the sums."""
    torch.manual_seed(seed)
    mixing = torch.randn(groups, WIDE, WIDE, dtype=torch.float64)
    exact = mixing @ torch.randn(groups, WIDE, EXAMPLES, dtype=torch.float64)
    rounded = exact + 0.1 * torch.randn_like(exact)
    weight = torch.randn(OUT, WIDE, dtype=torch.float64)
    return weight, exact, rounded, sums(exact, rounded)


def sums(exact: Tensor, rounded: Tensor) -> Moments:
    return Moments(
        rounded @ exact.transpose(1, 2),
        rounded @ rounded.transpose(1, 2),
        exact.mean(2),
        rounded.mean(2),
        exact.shape[2],
    )


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
@pytest.mark.parametrize("bits", [2, 4])
def test_gpfq_follows_the_path_of_its_definition(groups: int, bits: int) -> None:
    weight, exact, rounded, moments = layer(2, groups)
    limit = Form(bits).limit
    scale = weight.abs().amax(1) / limit
    found = gpfq(weight, scale[:, None], Form(bits), moments)
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
    form = Form(3)
    scale = weight.abs().amax(1, keepdim=True) / form.limit
    begun = gpfq(weight, scale, form, moments)
    ended = coordinate_descent(weight, begun, scale, form, moments, sweeps=100)
    error = output_error(weight, ended * scale, moments)
    assert torch.all(error <= output_error(weight, begun * scale, moments) + 1e-9)
    for t, code in product(range(WIDE), range(-form.limit, form.limit + 1)):
        other = ended.clone()
        other[:, t] = code
        assert torch.all(output_error(weight, other * scale, moments) >= error - 1e-9)


def test_the_best_scale_is_where_the_error_is_least() -> None:
    weight, _, _, moments = layer(3)
    form, halves = Form(3), torch.full((OUT, 1), 0.5, dtype=torch.float64)
    codes = gpfq(weight, weight.abs().amax(1, keepdim=True) / 3, form, moments)
    codes[0] = 0
    scale = best_scale(weight, codes, halves, form, moments)
    assert scale[0] == 0.5
    least = output_error(weight, codes * scale, moments)[1:]
    for factor in (0.99, 1.01):
        other = output_error(weight, codes * (factor * scale), moments)[1:]
        assert torch.all(other > least)
    whole = Form(3, "tensor")
    one = best_scale(weight, codes, halves, whole, moments)
    assert len(one.unique()) == 1
    least = output_error(weight, codes * one, moments).sum()
    for factor in (0.99, 1.01):
        assert output_error(weight, codes * (factor * one), moments).sum() > least


def test_the_scales_of_blocks_better_the_error_one_after_another() -> None:
    torch.manual_seed(8)
    wide = 2 * BLOCK + 7
    exact = torch.randn(1, wide, 200, dtype=torch.float64)
    moments = sums(exact, exact + 0.1 * torch.randn_like(exact))
    weight = torch.randn(OUT, wide, dtype=torch.float64)
    form = Form(3, "block32")
    scale = fitted_scale(weight, form)
    assert scale.shape == (OUT, 3)
    codes = gpfq(weight, scale, form, moments)
    better = best_scale(weight, codes, scale, form, moments)
    errors = [
        output_error(weight, codes * form.steps(one, wide), moments) for one in (scale, better)
    ]
    assert torch.all(errors[1] < errors[0])


def test_a_fitted_scale_is_the_best_share_of_the_largest_weight() -> None:
    weight, _, _, moments = layer(4)
    weight[2] = 0
    counts = moments.own[0].diagonal()
    scale = fitted_scale(weight, Form(2), counts.expand_as(weight))
    for row in range(OUT):
        shares = torch.linspace(0.3, 1, 15, dtype=torch.float64) * weight[row].abs().max()
        errors = [
            (counts * (weight[row] - (weight[row] / one).round().clamp(-1, 1) * one) ** 2).sum()
            for one in shares
        ]
        if weight[row].any():
            assert float(scale[row]) == pytest.approx(float(shares[int(np.argmin(errors))]))
    assert torch.all(scale > 0)


def test_what_biases_make_up_for_does_not_count() -> None:
    weight, exact, rounded, _ = layer(9)
    exact, rounded = exact + 3, rounded + 2
    other = weight + 0.3 * torch.randn_like(weight)
    moments = sums(exact, rounded)
    short = moments.mean_change(weight, other)
    change = outputs(weight, exact) - outputs(other, rounded)
    torch.testing.assert_close(short, change.mean(1))
    left = ((change - short[:, None]) ** 2).sum(1)
    wanted = outputs(weight, exact - exact.mean(2, keepdim=True))
    found = output_error(weight, other, moments.centred()) + (wanted**2).sum(1)
    torch.testing.assert_close(found, left)


def test_adaround_is_about_the_best_of_all_ways_up_and_down() -> None:
    ratios = []
    for seed in range(8):
        print("seed", seed)
        weight, _, _, moments = layer(seed)
        form = Form(3)
        floats = weight.float().numpy()
        found = chosen_weight(floats, form, None, moments, "adaround")
        scale = torch.from_numpy(found.scale).double()
        below = (weight / scale).floor()
        assert torch.all((below <= torch.from_numpy(found.codes) + 1e-9) | (below < -form.limit))
        constant = -output_error(weight, weight, moments).sum()
        every = [
            output_error(weight, (below + torch.tensor(ups)).clamp(-3, 3) * scale, moments)
            for ups in product((0.0, 1.0), repeat=WIDE)
        ]
        best = torch.stack(every).amin(0).sum() + constant
        nearest = (weight / scale).round().clamp(-3, 3)
        rows = torch.from_numpy(found.floats).double()
        got = output_error(weight, rows, moments).sum() + constant
        plain = output_error(weight, nearest * scale, moments).sum() + constant
        ratios.append(float((got - best) / (plain - best + 1e-12)))
    assert np.mean(ratios) < 0.25


@pytest.mark.parametrize("granularity", ["channel", "tensor"])
@pytest.mark.parametrize("bits", [8, 4, 3, 2])
@pytest.mark.parametrize("rounding", LEARNED)
def test_what_is_chosen_is_better_than_the_nearest_and_within_its_bits(
    rounding: str, bits: int, granularity: Granularity
) -> None:
    weight, _, _, moments = layer(5)
    floats = weight.float().numpy().reshape(OUT, 1, 2, 2)
    form = Form(bits, granularity)
    nearest = quantize_weight(floats, form)
    found = chosen_weight(floats, form, None, moments, rounding)
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
def test_what_is_constant_on_all_images_leaves_codes_near_their_weights(rounding: str) -> None:
    torch.manual_seed(10)
    weight = torch.randn(OUT, 40)
    exact = torch.full((1, 40, 300), 0.1, dtype=torch.float64)
    found = chosen_weight(weight.numpy(), Form(4), None, sums(exact, exact).centred(), rounding)
    nearest = quantize_weight(weight.numpy(), Form(4), fitted=True)
    errors = [np.abs(one.floats - weight.numpy()).mean() for one in (nearest, found)]
    assert errors[1] <= 1.2 * errors[0]


@pytest.mark.parametrize("rounding", LEARNED)
def test_scales_keep_to_their_floor_and_unseen_weights_to_themselves(rounding: str) -> None:
    weight, _, rounded, _ = layer(6)
    rounded[:, 1] = 0
    own = rounded @ rounded.transpose(1, 2)
    floats = weight.float().numpy()
    floor = np.full(OUT, 0.7, np.float32)
    mean = rounded.mean(2)
    seen = Moments(own, own, mean, mean, EXAMPLES)
    found = chosen_weight(floats, Form(4), floor, seen, rounding)
    assert np.all(found.scale[:, 0] >= floor * (1 - 1e-6))
    np.testing.assert_array_equal(found.codes[:, 1], np.rint(floats[:, 1] / found.scale[:, 0]))


def test_of_a_very_large_layer_gpfq_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    weight, _, _, moments = layer(11)
    floats = weight.float().numpy()
    learned = chosen_weight(floats, Form(2), None, moments, "refined")
    monkeypatch.setattr(roundings, "_MOST_WORK", OUT * WIDE**2 - 1)
    codes = [chosen_weight(floats, Form(2), None, moments, each).codes for each in LEARNED]
    assert all(np.array_equal(one, codes[0]) for one in codes)
    assert not np.array_equal(learned.codes, codes[0])


def test_an_unknown_rounding_is_not_taken_for_another() -> None:
    weight, _, _, moments = layer(7)
    floats = weight.float().numpy()
    with pytest.raises(KeyError):
        chosen_weight(floats, Form(4), None, moments, "up")


@pytest.mark.parametrize("granularity", ["channel", "tensor"])
@pytest.mark.parametrize("rounding", LEARNED)
@pytest.mark.parametrize("bits", [2, 4])
def test_zeros_stay_and_the_others_make_up_for_them(
    bits: int, rounding: str, granularity: Granularity
) -> None:
    filled = 0
    for seed in range(5):
        weight, _, _, moments = layer(seed)
        weight[:, 1] = 0.0
        weight[::2, 2] = 0.0
        values, form = weight.float().numpy(), Form(bits, granularity)
        free, kept = (
            chosen_weight(values, form, None, moments, rounding, keeps) for keeps in (False, True)
        )
        filled += int(np.count_nonzero(free.floats[values == 0]))
        assert not kept.floats[values == 0].any()
        after = torch.from_numpy(np.where(values == 0, 0, free.floats)).double()
        ours = torch.from_numpy(kept.floats).double()
        if rounding in ("quantease", "refined"):  # They look for the best, whatever is given.
            least = output_error(weight, ours, moments).sum()
            assert least <= output_error(weight, after, moments).sum() + 1e-6
    # Or else nothing was tried; what is on the grid already, the other two move far more rarely.
    assert filled or rounding in ("gpfq", "adaround")
