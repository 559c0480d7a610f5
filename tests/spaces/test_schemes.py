"""Names of schemes: presets, and presets with a way of calibrating behind them."""

import pytest

from spaces import (
    SCHEMES,
    Calibration,
    InputError,
    Static,
    UnknownNameError,
    WeightOnly,
    essence,
    scheme_named,
)
from spaces.schemes.presets import Quantize
from spaces.settings import own_settings


def test_a_word_behind_a_preset_says_how_it_is_calibrated() -> None:
    assert scheme_named("int4_weight_only+gpfq").layout == WeightOnly(4)
    assert scheme_named("int4_weight_only+gpfq").calibration == Calibration(rounding="gpfq")
    assert scheme_named("w4a8+quantease").layout == Static(4)
    assert scheme_named("w4a8+mse+gpfq").calibration == Calibration("mse", "gpfq")
    assert scheme_named("int4_weight_only+mse").calibration == Calibration("mse")
    every = scheme_named("w4a8_per_tensor+equalized+percentile_99.9+adaround+bias_corrected")
    assert every.calibration == Calibration("percentile_99.9", "adaround", True, True)
    assert every.layout == Static(4, "tensor")
    assert scheme_named("w4a8+quantease").name == "w4a8+quantease"
    assert "w4a8+quantease" in SCHEMES
    assert "w4a8+quantease" not in list(SCHEMES)


def test_a_sparse_scheme_holds_the_numbers_of_a_dense_one() -> None:
    sparse = {name: one.layout for name, one in SCHEMES.items() if one.layout.is_sparse}
    assert len(sparse) == 8
    dense = {one.layout for one in SCHEMES.values()} - set(sparse.values())
    for name, layout in sparse.items():
        assert name.endswith("_sparse")
        assert layout.dense in dense
        assert layout.key == f"{layout.dense.key}s"
        assert layout.weight_bits == layout.dense.weight_bits
        assert not layout.dense.is_sparse
    assert scheme_named("int4_sparse+gpfq").layout == WeightOnly(4, sparse=True)
    assert "fp32_sparse+gpfq" not in SCHEMES
    # What is at its default is in no digest.
    assert essence(WeightOnly(4)) == essence(WeightOnly(4, sparse=False))
    assert "sparse" not in str(essence(Static(8)))


@pytest.mark.parametrize(
    "name",
    [
        "fp16+gpfq",
        "int8_dynamic+gpfq",
        "int4_weight_only+",
        "+gpfq",
        "gpfq",
        "int4_weight_only+gpfq+gpfq",
        "int4_weight_only+gpfq+quantease",
        "int4_weight_only+nearest",
        "int9_weight_only+gpfq",
        "w4a8+gpfq+mse",
        "w4a8+mse+percentile_99.9",
        "int4_weight_only+percentile_99.9",
        "int4_weight_only+mse+gpfq",
        "w4a8+min_max",
        "",
    ],
)
def test_what_is_no_scheme_is_refused_with_what_there_is(name: str) -> None:
    assert name not in SCHEMES
    with pytest.raises(UnknownNameError, match="each behind a \\+, words of equalized"):
        scheme_named(name)
    (scheme,) = own_settings(Quantize)
    rule = scheme.setting.rule
    assert rule is not None
    assert rule.read("quantize.scheme", "w4a8+gpfq") == "w4a8+gpfq"
    with pytest.raises(InputError, match=r"w4a8, .*, words of equalized, .* in this order, got"):
        rule.read("quantize.scheme", name)
