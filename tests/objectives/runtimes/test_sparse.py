"""Files without the weights that are zero: the dense file's logits, kernels and fewer bytes."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper

from objectives import Workbench
from objectives.costs.study_costs import write_candidates
from objectives.models import save_weights
from objectives.models.zeros import zero_smallest, zeros_by_layer
from objectives.runtimes.onnx_profile import layer_bytes
from objectives.runtimes.onnx_runtime import OnnxRuntime
from objectives.runtimes.onnx_sparse import worth_packing
from objectives.runtimes.onnx_writer import OnnxArtifactWriter
from spaces import (
    SCHEMES,
    DataConfig,
    DistilfrontError,
    Network,
    Pruned,
    Schedule,
    Scheme,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
    scheme_named,
)
from tests.objectives.networks import CLASSES, MOBILENET, RESNET20, images, kernels, random_model

RUNTIME = OnnxRuntime()
SPARSE = [name for name, scheme in SCHEMES.items() if scheme.layout.is_sparse]
BITS = {"fp32": 32, "fp16": 16, "int8": 8, "int4": 4, "int3": 3, "int2": 2, "w4a8": 4}


def zeroed(network: Network, share: float) -> Network:
    return replace(network, pruned=Pruned(weights=share))


def sparse_file(network: Network, seed: int, folder: Path, share: float | None = None) -> Path:
    """Write random weights with zeros: as many as the network says, or another share."""
    model = random_model(network, seed)
    pruned = network.pruned if share is None else Pruned(weights=share)
    zero_smallest(model, pruned, network.image_size)
    path = folder / f"{seed}-{share}.safetensors"
    save_weights(model, path)
    return path


def make_writer(
    network: Network, seed: int, templates: Path, folder: Path, share: float | None = None
) -> OnnxArtifactWriter:
    template = RUNTIME.template(network, CLASSES, templates)
    return template.writer(sparse_file(network, seed, folder, share), images(32, seed))


@pytest.fixture(scope="module")
def writer(templates: Path, tmp_path_factory: pytest.TempPathFactory) -> OnnxArtifactWriter:
    return make_writer(zeroed(RESNET20, 0.7), 3, templates, tmp_path_factory.mktemp("weights"))


def both(writer: OnnxArtifactWriter, name: str, folder: Path) -> tuple[Path, Path]:
    """Write the sparse file and the dense one of the same numbers."""
    scheme, paths = scheme_named(name), (folder / "sparse.onnx", folder / "dense.onnx")
    writer.write(scheme, paths[0])
    writer.write(Scheme("dense", scheme.layout.dense, scheme.calibration), paths[1])
    return paths


def tensors(path: Path) -> dict[str, onnx.TensorProto]:
    return {one.name: one for one in onnx.load(path).graph.initializer}


@pytest.mark.parametrize("share", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("name", SPARSE)
def test_logits_and_kernels_are_the_dense_files(
    name: str, share: float, templates: Path, tmp_path: Path
):
    writer = make_writer(zeroed(RESNET20, share), 5, templates, tmp_path)
    sparse, dense = both(writer, name, tmp_path)
    onnx.checker.check_model(onnx.load(sparse), full_check=True)
    some = images(20, 4)
    logits = [RUNTIME.logits(path, some, threads=1) for path in (sparse, dense)]
    np.testing.assert_array_equal(*logits)
    assert kernels(sparse, tmp_path) == kernels(dense, tmp_path)
    pays = share * BITS[name.partition("_")[0]] > 1  # Half of int2's bits are the bit a weight.
    assert (sparse.stat().st_size < dense.stat().st_size) == pays


@pytest.mark.parametrize("name", SPARSE)
def test_bytes_are_bits_of_what_is_stored_and_a_bit_a_weight(
    name: str, writer: OnnxArtifactWriter, tmp_path: Path
):
    sparse, dense = both(writer, name, tmp_path)
    network = zeroed(RESNET20, 0.7)
    model = random_model(network, 3)
    zeros = zeros_by_layer(model, network.pruned, 32)
    bits = BITS[name.partition("_")[0]]
    # By hand: what a layer saves is a value for each zero, less a bit for each weight.
    sizes = {layer: model.get_submodule(layer).weight.numel() for layer in zeros}
    packed = worth_packing({layer: (sizes[layer], zeros[layer]) for layer in zeros}, bits)
    weights = sum(sizes[layer] for layer in packed)
    stored = weights - sum(zeros[layer] for layer in packed)
    assert weights > 0.93 * sum(sizes.values())
    rows = -(-weights // 4096)
    made = tensors(sparse)
    assert len(made["sparse_bits"].raw_data) == rows * 512
    assert len(made["sparse_before"].raw_data) == rows * 4
    values = next(made[one] for one in ("sparse_values", "sparse_values_half") if one in made)
    # A zero before the first; bits of 3 and 2 lie in planes of whole bytes.
    assert len(values.raw_data) == -(-(stored + 1) // 8) * bits or (
        len(values.raw_data) == -(-(stored + 1) * bits // 8)
    )
    saved = dense.stat().st_size - sparse.stat().st_size
    by_hand = (weights - stored) * bits / 8 - weights / 8
    # Nodes and shapes take some; planes of bits have shapes of their own, one in place of many.
    assert by_hand - 2500 - 130 * len(packed) < saved < by_hand + 5000


@pytest.mark.parametrize("name", SPARSE)
def test_each_layer_is_told_what_it_takes_of_bits_and_values(
    name: str, writer: OnnxArtifactWriter, templates: Path, tmp_path: Path
):
    sparse, dense = both(writer, name, tmp_path)
    graph = RUNTIME.template(zeroed(RESNET20, 0.7), CLASSES, templates).graph
    packed, whole = (layer_bytes(onnx.load(path), graph) for path in (sparse, dense))
    bits = BITS[name.partition("_")[0]]
    for node, before in whole.items():
        if node is not None and before > 4096:
            expected = before * (0.3 + 1 / bits)  # Three tenths stay, and a bit says which.
            assert packed[node] == pytest.approx(expected, rel=0.15)
    assert packed[None] < 4096
    assert sum(packed.values()) == sum(len(one.raw_data) for one in tensors(sparse).values())


@pytest.mark.parametrize("name", SPARSE)
def test_bytes_are_known_before_training(name: str, templates: Path, tmp_path: Path):
    """Of untrained weights, others, and some that have more zeros than pruning made."""
    network = zeroed(RESNET20, 0.6)
    sizes = set()
    for seed, share in ((1, None), (2, None), (2, 0.8)):
        made = make_writer(network, seed, templates, tmp_path, share)
        sizes.add(both(made, name, tmp_path)[0].stat().st_size)
    assert len(sizes) == 1
    short = make_writer(network, 2, templates, tmp_path, 0.1)
    if name not in ("int3_sparse", "int2_sparse", "int4_sparse", "w4a8_sparse"):
        # Where few bits round others to zero they do as well.
        with pytest.raises(DistilfrontError, match=r"must have .* weights that are zero"):
            both(short, name, tmp_path)


def test_a_candidate_weighs_what_a_student_does(tmp_path: Path):
    network = Network("resnet8x4", 0.5, image_size=8, pruned=Pruned(weights=0.8))
    data = DataConfig("digits", image_size=8, train_limit=50, validation_limit=20, test_limit=20)
    teacher = TeacherConfig(replace(network, pruned=Pruned()), TrainTeacher(Schedule(1)))
    with Workbench(StudySetup(data, teacher, seed=1), tmp_path / "cache") as bench:
        (tmp_path / "artifacts").mkdir()
        made = write_candidates(bench, (network,), SPARSE, tmp_path / "artifacts")
        writer = bench.template(network).writer(sparse_file(network, 8, tmp_path), images(8, 1, 8))
    assert len(made) == 1 + len(SPARSE)
    by_layout = {one.layout: one.path.stat().st_size for one in made}
    for name in SPARSE:
        sparse, dense = both(writer, name, tmp_path)
        assert sparse.stat().st_size == by_layout[scheme_named(name).layout.key]
        assert sparse.stat().st_size < dense.stat().st_size or name == "int2_sparse"


@pytest.mark.parametrize("name", SPARSE)
def test_a_whole_network_is_stored_as_ever(name: str, templates: Path, tmp_path: Path):
    sparse, dense = both(make_writer(RESNET20, 3, templates, tmp_path), name, tmp_path)
    one, other = onnx.load(sparse), onnx.load(dense)
    assert one.graph == other.graph
    assert sparse.stat().st_size == dense.stat().st_size + 1  # An s in the layout's key.


def test_what_is_not_worth_a_bit_a_weight_is_stored_as_ever(templates: Path, tmp_path: Path):
    writer = make_writer(zeroed(RESNET20, 0.2), 3, templates, tmp_path)
    sparse, dense = both(writer, "int4_sparse", tmp_path)
    assert onnx.load(sparse).graph == onnx.load(dense).graph
    sparse, dense = both(writer, "fp32_sparse", tmp_path)
    assert sparse.stat().st_size < 0.85 * dense.stat().st_size
    assert worth_packing({"a": (10**6, 10**5)}, 4) == frozenset()
    assert worth_packing({"a": (10**6, 10**5), "b": (10**6, 5 * 10**5)}, 4) == {"b"}


def test_other_networks(templates: Path, tmp_path: Path):
    network = zeroed(MOBILENET, 0.8)
    writer = make_writer(network, 4, templates, tmp_path)
    for name in SPARSE:
        sparse, dense = both(writer, name, tmp_path)
        some = images(8, 4)
        logits = [RUNTIME.logits(path, some, threads=1) for path in (sparse, dense)]
        np.testing.assert_array_equal(*logits)
        assert kernels(sparse, tmp_path) == kernels(dense, tmp_path)


def test_graphs_with_and_without_zeros_are_one_export(templates: Path, tmp_path: Path):
    shutil.copytree(templates, tmp_path / "templates", dirs_exist_ok=True)
    RUNTIME.template(RESNET20, CLASSES, tmp_path / "templates")
    before = {path.name for path in (tmp_path / "templates").iterdir()}
    RUNTIME.template(zeroed(RESNET20, 0.35), CLASSES, tmp_path / "templates")
    assert {path.name for path in (tmp_path / "templates").iterdir()} == before


def folded(path: Path, folder: Path) -> dict[str, np.ndarray]:
    """Constants of a file once onnxruntime has folded it, before it moves them about."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folder / "folded.onnx")
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    found = onnx.load(options.optimized_model_filepath).graph.initializer
    return {one.name: numpy_helper.to_array(one) for one in found}


CALIBRATED = [
    *("int8_weight_only+mse", "int4_weight_only", "int4_weight_only+bias_corrected"),
    *("int4_weight_only+gpfq", "int4_weight_only+quantease", "int4_weight_only+adaround"),
    *("int4_weight_only+refined", "int4_weight_only+equalized+refined+bias_corrected"),
    *("int4_block32+refined", "int3_block32+gpfq+bias_corrected", "int2_weight_only+refined"),
    *("int4_per_tensor+equalized+refined", "by_layer_4+refined", "w4a8+mse+bias_corrected"),
    *("int8_static+quantease", "w4a8_per_tensor+equalized+adaround", "w4a8+refined"),
    *("int4_sparse+refined", "int2_sparse+adaround", "w4a8_sparse+refined+bias_corrected"),
    *("fp16", "fp16_sparse", "bf16", "int8_dynamic"),
]


@pytest.mark.parametrize("name", CALIBRATED)
def test_what_is_zero_stays_zero(name: str, templates: Path, tmp_path: Path):
    small = Network("resnet8x4", 0.25, image_size=16, pruned=Pruned(weights=0.7))
    path = sparse_file(small, 6, tmp_path)
    template = RUNTIME.template(small, CLASSES, templates)
    writer = template.writer(path, images(16, 2, 16))
    filled = writer._filled
    assert len(filled.zeros) > 5
    writer.write(scheme_named(name), tmp_path / "model.onnx")
    constants = folded(tmp_path / "model.onnx", tmp_path)
    for node, zeros in filled.zeros.items():
        weight = filled.layers[node].layer.weight
        names = (weight, f"{weight}_codes", f"{weight}_codes_int8")
        made = next(constants[one] for one in names if one in constants)
        own = filled.layers[node].weight
        if made.shape != own.shape:  # A linear layer's, turned for its kernel.
            made = made.T
        assert np.count_nonzero(own == 0) >= zeros
        assert not made[own == 0].any()
