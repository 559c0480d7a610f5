"""Ranges of activations, against onnxruntime's calibrators and against every other range."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnxruntime.quantization.calibrate import (
    CalibrationDataReader,
    MinMaxCalibrater,
    PercentileCalibrater,
)

from objectives.quantization import Observed, Range, activation_grid
from objectives.quantization.observers import histogram
from spaces import OBSERVERS, PERCENTILES


class Reader(CalibrationDataReader):
    """Gives an image at a time."""

    def __init__(self, images: NDArray[np.float32]) -> None:
        self._images = iter(images)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """Return the next one, None after the last."""
        image = next(self._images, None)
        return None if image is None else {"x": image[None]}


@pytest.fixture(params=["relu", "both sides"])
def images(request: pytest.FixtureRequest) -> NDArray[np.float32]:
    values = np.random.default_rng(3).standard_t(4, (48, 8, 8)).astype(np.float32)
    return np.maximum(values, 0) if request.param == "relu" else values


@pytest.fixture
def network(tmp_path: Path) -> str:
    given, made = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 8, 8]) for name in "xy"
    )
    nodes = [helper.make_node("Neg", ["x"], ["z"]), helper.make_node("Neg", ["z"], ["y"])]
    model = helper.make_model(
        helper.make_graph(nodes, "twice", [given], [made]),
        ir_version=10,
        opset_imports=[helper.make_opsetid("", 21)],
    )
    onnx.save(model, tmp_path / "twice.onnx")
    return str(tmp_path / "twice.onnx")


def seen(images: NDArray[np.float32], observer: str) -> Range:
    def values() -> Iterator[tuple[str, NDArray[np.float32]]]:
        for batch in np.split(images, 4):
            yield "y", batch

    return Observed(values).ranges(observer)["y"]


@pytest.mark.parametrize("observer", ["min_max", "moving_average"])
def test_ends_are_those_of_onnxruntime(
    observer: str, images: NDArray[np.float32], network: str, tmp_path: Path
) -> None:
    twin = MinMaxCalibrater(
        network,
        augmented_model_path=str(tmp_path / "seen.onnx"),
        moving_average=observer == "moving_average",
        averaging_constant=0.01,
    )
    twin.augment_graph()
    twin.create_inference_session()
    twin.collect_data(Reader(images))
    expected = twin.compute_data().data["y"].range_value
    found = seen(images, observer)
    np.testing.assert_allclose([found.low, found.high], np.ravel(expected), rtol=1e-5)


@pytest.mark.parametrize("observer", ["percentile_99.9", "percentile_99.99"])
def test_percentiles_are_those_of_onnxruntime(
    observer: str, images: NDArray[np.float32], network: str, tmp_path: Path
) -> None:
    twin = PercentileCalibrater(
        network,
        augmented_model_path=str(tmp_path / "seen.onnx"),
        num_bins=4096,
        percentile=PERCENTILES[observer],
    )
    twin.augment_graph()
    twin.create_inference_session()
    twin.collect_data(Reader(images))
    expected = np.ravel(twin.compute_data().data["y"].range_value)
    found = seen(images, observer)
    bins = 3 * (images.max() - images.min()) / 4096
    np.testing.assert_allclose([found.low, found.high], expected, atol=bins)


@pytest.mark.parametrize("kind", ["normal", "relu", "whole", "equal"])
def test_a_histogram_is_numpys(kind: str) -> None:
    values = np.random.default_rng(1).standard_normal((3, 50, 50)).astype(np.float32)
    if kind == "relu":
        values = np.maximum(values, 0)
    if kind == "whole":  # They lie on edges.
        values = np.rint(values * 512)
        values[0, 0, :2] = (-2048, 2048)
    if kind == "equal":
        values[:] = values[0, 0, 0]
    low, high = float(values.min()), float(values.max())
    edges = np.linspace(low, high, 4097)
    expected = np.histogram(values, edges)[0]
    assert np.array_equal(histogram(values, edges), expected)
    if kind != "equal":
        uniform = np.histogram(values, 4096, (np.float64(low), np.float64(high)))[0]
        assert np.array_equal(expected, uniform)


@pytest.mark.parametrize(
    ("observers", "kept_bytes", "passes"),
    [
        (("mse", "percentile_99.9", "moving_average", "min_max"), 2**20, 1),
        (("min_max", "moving_average"), 2**20, 1),
        (("min_max", "mse", "percentile_99.9"), 2**20, 2),
        (("mse", "percentile_99.9"), 100, 2),
    ],
)
def test_values_are_asked_for_no_more_than_needed(
    observers: tuple[str, ...],
    kept_bytes: int,
    passes: int,
    images: NDArray[np.float32],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"{histogram.__module__}._KEPT_BYTES", kept_bytes)
    asked = []

    def values() -> Iterator[tuple[str, NDArray[np.float32]]]:
        asked.append(True)
        for batch in np.split(images, 4):
            yield "y", batch

    observed = Observed(values)
    found = {observer: observed.ranges(observer)["y"] for observer in observers}
    assert len(asked) == passes
    assert found == {observer: seen(images, observer) for observer in observers}


def test_no_range_has_less_squared_error(images: NDArray[np.float32]) -> None:
    def error(one: Range) -> float:
        grid = activation_grid(one)
        codes = np.clip(np.rint(images / grid.scale) + grid.zero_point, 0, 255)
        return float(np.square(images - (codes - grid.zero_point) * grid.scale).mean())

    found = error(seen(images, "mse"))
    whole = seen(images, "min_max")
    shares = np.linspace(0.2, 1, 17)
    others = [Range(whole.low * low, whole.high * high) for low in shares for high in shares]
    assert found <= 1.02 * min(map(error, others))
    assert found <= error(whole)


def test_every_observer_has_a_range_of_a_tensor_that_is_zero() -> None:
    for observer in OBSERVERS:
        found = seen(np.zeros((8, 2, 2), np.float32), observer)
        assert found.low <= 0 <= found.high
        assert activation_grid(found).scale > 0
    with pytest.raises(KeyError):
        seen(np.ones((8, 2, 2), np.float32), "median")


@pytest.mark.parametrize("observer", OBSERVERS)
def test_neighbouring_and_enormous_numbers_have_a_range(observer: str) -> None:
    one = np.float32(1)
    for pair in ((one, np.nextafter(one, np.float32(2))), (np.float32(-3e38), np.float32(3e38))):
        found = seen(np.array([pair] * 8, np.float32), observer)
        assert np.isfinite([found.low, found.high]).all()
