"""A scheme is a layout, which is all of its costs, and a calibration, which is none of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from objectives.chain.workbench import Workbench
from objectives.costs.study_costs import write_candidates
from objectives.costs.table import Cost, CostTable
from objectives.quantization import BLOCK, STEPS, Form, quantize_weight
from objectives.runtimes.onnx_functions import bit_planes, from_bit_planes, from_blocks
from objectives.runtimes.onnx_runtime import OnnxRuntime
from objectives.runtimes.onnx_writer import OnnxArtifactWriter
from spaces import (
    SCHEMES,
    Calibration,
    DataConfig,
    DistilfrontError,
    Float32,
    Granularity,
    InputError,
    Layout,
    Network,
    Schedule,
    Scheme,
    Static,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
    WeightOnly,
)
from tests.objectives.networks import CLASSES, RESNET20, images, weights_file

CLIPPED = Calibration("percentile_99.9")


@pytest.fixture(scope="module")
def writer(templates: Path, tmp_path_factory: pytest.TempPathFactory) -> OnnxArtifactWriter:
    weights = weights_file(RESNET20, 3, tmp_path_factory.mktemp("weights"))
    return OnnxRuntime().template(RESNET20, CLASSES, templates).writer(weights, images(64, 3))


def written(writer: OnnxArtifactWriter, scheme: Scheme, folder: Path) -> Path:
    path = folder / f"{scheme.name}.onnx"
    writer.write(scheme, path)
    return path


def scales(path: Path) -> dict[str, np.ndarray]:
    tensors = {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}
    return {name: value for name, value in tensors.items() if name.endswith("_scale")}


@pytest.mark.parametrize("bits", [8, 4])
def test_calibration_is_in_the_file_and_not_in_its_size(
    bits: int, writer: OnnxArtifactWriter, tmp_path: Path
):
    whole = written(writer, Scheme("whole", Static(bits)), tmp_path)
    clipped = written(writer, Scheme("clipped", Static(bits), CLIPPED), tmp_path)
    assert whole.stat().st_size == clipped.stat().st_size
    assert whole.read_bytes() != clipped.read_bytes()
    wide, narrow = scales(whole), scales(clipped)
    assert wide.keys() == narrow.keys()
    of_activations = {name for name, value in wide.items() if value.ndim == 0}
    assert of_activations
    assert all(narrow[name] <= wide[name] * 1.001 for name in of_activations)
    assert narrow["image_scale"] < 0.95 * wide["image_scale"]
    for name in wide.keys() - of_activations:  # Those of weights and of biases.
        if "bias" not in name:
            np.testing.assert_array_equal(wide[name], narrow[name])
    some = images(20, 4)
    logits = [OnnxRuntime().logits(path, some, threads=1) for path in (whole, clipped)]
    assert not np.array_equal(*logits)


@pytest.mark.parametrize("scheme", [one for one in SCHEMES.values() if one.layout.kind != "static"])
def test_what_has_no_grids_is_not_calibrated(
    scheme: Scheme, writer: OnnxArtifactWriter, tmp_path: Path
):
    plain = written(writer, scheme, tmp_path)
    other = written(writer, Scheme("clipped", scheme.layout, CLIPPED), tmp_path)
    assert plain.read_bytes() == other.read_bytes()


def test_schemes_of_one_layout_share_their_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(SCHEMES, "clipped", Scheme("clipped", Static(8), CLIPPED))
    network = Network("resnet8x4", 0.125, image_size=8)
    data = DataConfig("digits", image_size=8, train_limit=50, validation_limit=20, test_limit=20)
    setup = StudySetup(data, TeacherConfig(network, TrainTeacher(Schedule(1))), seed=1)
    with Workbench(setup, tmp_path / "cache") as bench:
        assert "clipped" in bench.runtime.schemes()
        (tmp_path / "artifacts").mkdir()
        schemes = ("int8_static", "clipped")
        candidates = write_candidates(bench, (network,), schemes, tmp_path / "artifacts")
    assert [one.layout for one in candidates] == ["fp32", "w8a8"]
    costs = tuple(Cost(network.key, one.layout, 1, 1, 1, 0, 1, 1, 1) for one in candidates)
    table = CostTable(costs, network.key, "onnxruntime", {}, 1, 20, 1)
    assert table.of(network.key, "clipped") is table.of(network.key, "int8_static")


@dataclass(frozen=True)
class Unknown(Layout):
    """A layout that no runtime has heard of."""

    kind = "unknown"
    weight_bits = 2


@dataclass(frozen=True)
class Sparse(WeightOnly):
    """Derived from one that there is: it must not be written as that."""

    kind = "sparse"


@dataclass(frozen=True)
class Brain(Float32):
    """Likewise."""

    kind = "bfloat16"


@dataclass(frozen=True)
class Blocks(Static):
    """Likewise."""

    kind = "blocks"


@pytest.mark.parametrize(
    "layout", [Unknown(), Sparse(8), Brain(), Blocks(8)], ids=lambda one: one.kind
)
def test_a_layout_that_nobody_can_write_is_refused_and_not_written_as_another(
    layout: Layout, writer: OnnxArtifactWriter, tmp_path: Path
):
    with pytest.raises(DistilfrontError, match=f"no way to write the layout {layout.key}"):
        writer.write(Scheme("mine", layout), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_scheme_that_nobody_knows_has_no_costs():
    table = CostTable((Cost("a", "fp32", 1, 1, 1, 0, 1, 1, 1),), "a", "onnxruntime", {}, 1, 20, 1)
    with pytest.raises(InputError, match="unknown scheme 'mine': known are fp32"):
        table.of("a", "mine")


def test_ways_of_calibrating_that_there_are_not_are_refused():
    with pytest.raises(InputError, match=r"observer must be one of min_max, .*, got 'median'"):
        Calibration("median")
    with pytest.raises(InputError, match=r"rounding must be one of nearest, .*, got 'up'"):
        Calibration(rounding="up")


def test_bits_that_no_layout_has_are_refused():
    with pytest.raises(InputError, match=r"bits must be in \[2, 8\], got 1"):
        WeightOnly(1)
    with pytest.raises(InputError, match="bits must be one of 8, 4, got 3"):
        Static(3)
    with pytest.raises(
        InputError, match="granularity must be one of channel, tensor, got 'block32'"
    ):
        Static(8, "block32")  # type: ignore[arg-type]


@pytest.mark.parametrize("bits", [7, 3, 2])
@pytest.mark.parametrize("shape", [(4, 3, 3, 3), (3, 5), (1, 1)], ids=str)
def test_bit_planes_are_put_together_by_the_function_in_the_file(bits: int, shape: tuple[int, ...]):
    most = 2 ** (bits - 1)
    codes = np.random.default_rng(bits).integers(-most, most, shape).astype(np.int8)
    planes = bit_planes(codes, bits)
    assert planes.nbytes == bits * -(-codes.size // 8)
    (got,) = ReferenceEvaluator(of_opset_21(from_bit_planes(bits))).run(
        None, {"planes": planes, "shape": np.array(shape)}, attributes={}
    )
    np.testing.assert_array_equal(got, codes.astype(np.float32))


@pytest.mark.parametrize("shape", [(4, 8, 3, 3), (3, 70), (2, 64)], ids=str)
def test_blocks_are_put_together_by_the_function_in_the_file(shape: tuple[int, ...]):
    weight = np.random.default_rng(1).standard_normal(shape, np.float32)
    quantized = quantize_weight(weight, Form(4, "block32"))
    largest = quantized.scale.max(1, keepdims=True)
    parts = np.rint(quantized.scale / largest * STEPS).astype(np.uint8)[:, :, None]
    one = (largest / STEPS).reshape(-1, *[1] * (len(shape) - 1)).astype(np.float32)
    (got,) = ReferenceEvaluator(of_opset_21(from_blocks(BLOCK))).run(
        None,
        {"codes": quantized.codes.astype(np.float32), "parts": parts, "scale": one},
        attributes={},
    )
    np.testing.assert_allclose(got, quantized.floats, rtol=1e-6)
    error = {
        granularity: np.square(weight - quantize_weight(weight, Form(4, granularity)).floats).mean()
        for granularity in get_args(Granularity)
    }
    assert error["block32"] < error["channel"] < error["tensor"]


def of_opset_21(function: onnx.FunctionProto) -> onnx.FunctionProto:
    function.opset_import.add(domain="", version=21)
    return function


def test_fewer_bits_and_coarser_scales_are_smaller_files(
    writer: OnnxArtifactWriter, tmp_path: Path
):
    def weight(name: str) -> int:
        return written(writer, SCHEMES[name], tmp_path).stat().st_size

    sizes = [weight(f"int{bits}_weight_only") for bits in (8, 7, 6, 5, 4, 3, 2)]
    assert sizes == sorted(sizes, reverse=True)
    assert weight("int4_per_tensor") < weight("int4_weight_only") < weight("int4_block32")
    assert weight("int4_block32") < weight("int5_weight_only")
    assert weight("int8_static_per_tensor") < weight("int8_static")
    assert weight("bf16") == weight("fp16")
