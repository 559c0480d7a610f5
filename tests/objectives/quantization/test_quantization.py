"""Codes, scales, grids and folding against their definitions."""

import numpy as np
import pytest
import torch
from torch import nn

from objectives.quantization import (
    BatchNorm,
    Form,
    Range,
    activation_grid,
    fold_batch_norm,
    quantize_bias,
    quantize_weight,
    scale_floor_for_bias,
)
from objectives.quantization.primitives import (
    MappingType,
    choose_qparams_affine,
    quantize_affine,
)


def random_weight(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("groups", [1, 4])
def test_folded_convolution_is_convolution_and_norm(bias: bool, groups: int):
    torch.manual_seed(0)
    layer, norm = nn.Conv2d(4, 8, 3, groups=groups, bias=bias), nn.BatchNorm2d(8, eps=1e-3)
    for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        tensor.data.uniform_(0.1, 2.0)
    weight, shift = fold_batch_norm(
        layer.weight.detach().numpy(),
        layer.bias.detach().numpy() if bias else None,
        BatchNorm(
            norm.weight.detach().numpy(),
            norm.bias.detach().numpy(),
            norm.running_mean.numpy(),
            norm.running_var.numpy(),
            norm.eps,
        ),
    )
    x = torch.randn(2, 4, 9, 9)
    expected = norm.eval()(layer(x))
    folded = nn.functional.conv2d(x, torch.tensor(weight), torch.tensor(shift), groups=groups)
    torch.testing.assert_close(folded, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize(
    "shape", [(6, 3, 3, 3), (6, 1, 3, 3), (5, 7), (4, 16, 1, 1), (5, 1), (6, 1, 1, 1)]
)
def test_weight_codes_follow_their_definition(bits: int, shape: tuple[int, ...]):
    weight = random_weight(1, *shape)
    quantized = quantize_weight(weight, Form(bits))
    limit = 2 ** (bits - 1) - 1
    largest = np.abs(weight.reshape(len(weight), -1)).max(1)
    np.testing.assert_allclose(quantized.scale[:, 0], largest / limit, rtol=1e-6)
    per_channel = (-1, *[1] * (weight.ndim - 1))
    back = quantized.codes * quantized.scale.reshape(per_channel)
    assert np.all(np.abs(back - weight) <= 0.5001 * quantized.scale.reshape(per_channel))
    assert np.abs(quantized.codes).reshape(len(weight), -1).max(1).tolist() == [limit] * len(weight)


def test_round_trip_of_codes_is_exact():
    first = quantize_weight(random_weight(2, 8, 4, 3, 3), Form(4))
    again = quantize_weight(first.codes * first.scale.reshape(-1, 1, 1, 1), Form(4))
    np.testing.assert_array_equal(first.floats, first.codes * first.scale.reshape(-1, 1, 1, 1))
    assert np.array_equal(first.codes, again.codes)
    np.testing.assert_allclose(first.scale, again.scale, rtol=1e-6)


def test_scales_of_a_layer_and_of_blocks_are_those_of_torchao():
    """Blocks, which torchao keeps as floats, are to a 255th of the channel's largest."""
    weight = random_weight(4, 5, 8, 3, 3)[:, :, :2, :2]
    rows = torch.from_numpy(weight.copy()).flatten(1)
    for granularity, block in (("tensor", (5, 32)), ("block32", (1, 32)), ("channel", (1, 32))):
        form = Form(4, granularity)
        wide = rows if granularity != "block32" else rows.repeat(1, 2)
        scale, _ = choose_qparams_affine(
            wide, MappingType.SYMMETRIC, block, torch.int8, quant_min=-7, quant_max=7
        )
        found = quantize_weight(wide.numpy(), form)
        expected = scale.reshape(-1, found.scale.shape[1]).expand(5, -1).numpy()
        np.testing.assert_allclose(found.scale, expected, rtol=1e-6, atol=expected.max() / 255)
        if granularity != "block32":
            zero = torch.zeros_like(scale, dtype=torch.int32)
            codes = quantize_affine(wide, block, scale, zero, torch.int8, -7, 7)
            np.testing.assert_array_equal(found.codes, codes.numpy())


def test_zero_channel_has_zero_codes():
    weight = random_weight(3, 3, 2, 3, 3)
    weight[1] = 0
    quantized = quantize_weight(weight, Form(8))
    assert not quantized.codes[1].any()
    assert np.all(quantized.scale > 0)


def test_bias_of_a_zero_channel_survives_32_bits():
    bias = np.array([3.0, -2.0, 0.0], np.float32)
    input_scale = 0.02
    floor = scale_floor_for_bias(bias, input_scale)
    quantized = quantize_weight(np.zeros((3, 2, 3, 3), np.float32), Form(8), floor)
    codes, scale = quantize_bias(bias, input_scale, quantized.scale[:, 0])
    np.testing.assert_allclose(codes * scale.astype(np.float64), bias, rtol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 3.0), (0.5, 6.0), (-4.0, -1.0), (0.0, 0.0)])
def test_grid_covers_the_range_and_has_zero_on_it(low: float, high: float):
    grid = activation_grid(Range(low, high))
    lowest = grid.scale * (0 - grid.zero_point)
    highest = grid.scale * (255 - grid.zero_point)
    assert 0 <= grid.zero_point <= 255
    assert lowest <= min(low, 0) + grid.scale / 2
    assert highest >= max(high, 0) - grid.scale / 2
    assert grid.scale == pytest.approx(max((max(high, 0) - min(low, 0)) / 255, 2**-24), rel=1e-6)
