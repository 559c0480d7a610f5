"""Weights on the grid that loses least of them, against every grid there is."""

import numpy as np
import pytest
import torch

from objectives.quantization import BatchNorm, Form, fitted_weight, fold_batch_norm, quantize_weight

BITS = pytest.mark.parametrize("bits", [8, 4, 3, 2])
SHAPES = pytest.mark.parametrize("shape", [(16, 8, 3, 3), (24, 1, 3, 3), (5, 1, 1, 1), (10, 64)])


def drawn(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@BITS
@SHAPES
def test_of_every_share_of_the_largest_weight_the_best_is_taken(bits, shape):
    weight = drawn(shape, bits)
    got = fitted_weight(torch.from_numpy(weight), bits).numpy()
    limit = 2 ** (bits - 1) - 1
    rows = weight.reshape(len(weight), -1)
    for row, found in zip(rows, got.reshape(rows.shape), strict=True):
        errors = []
        for share in np.linspace(0.3, 1.0, 15):
            scale = share * np.abs(row).max() / limit
            errors.append(((np.clip(np.rint(row / scale), -limit, limit) * scale - row) ** 2).sum())
        assert ((found - row) ** 2).sum() == pytest.approx(min(errors), rel=1e-4, abs=1e-9)


@BITS
@SHAPES
def test_rounding_it_to_nearest_after_folding_finds_its_codes(bits, shape):
    weight = drawn(shape, bits + 10)
    weight[0] = 0.0  # A dead channel.
    scale, shift, mean = drawn((3, shape[0]), bits)
    norm = BatchNorm(scale, shift, mean, np.abs(drawn((shape[0],), 3)) + 0.1, 1e-5)
    fitted = fitted_weight(torch.from_numpy(weight), bits).numpy()
    column = (-1, *[1] * (len(shape) - 1))
    limit = 2 ** (bits - 1) - 1
    steps = np.abs(fitted).reshape(len(fitted), -1).max(1) / limit
    codes = np.rint(fitted / np.where(steps > 0, steps, 1).reshape(column))
    np.testing.assert_allclose(codes * steps.reshape(column), fitted, rtol=1e-5, atol=0)
    folded, _ = fold_batch_norm(fitted, None, norm)
    got = quantize_weight(folded, Form(bits))
    assert (got.codes == codes * np.sign(scale).reshape(column)).all()
    np.testing.assert_allclose(got.floats, folded, rtol=1e-5, atol=1e-12)


def test_a_wide_weight_is_fitted_part_by_part_as_it_is_at_once():
    weight = torch.from_numpy(drawn((40, 30_000), 1))
    parts = torch.cat([fitted_weight(row[None], 3) for row in weight])
    assert torch.equal(fitted_weight(weight, 3), parts)


def test_a_weight_keeps_its_place_in_memory_and_has_no_gradient():
    weight = torch.from_numpy(drawn((8, 4, 3, 3), 2)).requires_grad_()
    laid_out = weight.to(memory_format=torch.channels_last)
    got = fitted_weight(laid_out, 4)
    assert got.stride() == laid_out.stride()
    assert not got.requires_grad
    assert torch.equal(got, fitted_weight(weight, 4))
