"""What onnxruntime artifacts are: exact in size, silent about their maker, integer where due."""

import random
import secrets
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from objectives.models import save_weights
from objectives.runtimes import onnx_export, onnx_runtime, runtime_named
from objectives.runtimes.onnx_runtime import OnnxRuntime
from objectives.runtimes.onnx_template import GraphTemplate
from objectives.runtimes.onnx_writer import OnnxArtifactWriter
from objectives.sealed_folder import DamagedError
from spaces import (
    SCHEMES,
    Calibration,
    InputError,
    Network,
    Static,
    UnknownNameError,
    scheme_named,
)
from tests.objectives.networks import (
    CLASSES,
    MOBILENET,
    RESNET20,
    images,
    kernels,
    random_model,
    weights_file,
)

RUNTIME = OnnxRuntime()


@pytest.fixture(scope="module")
def writer(templates: Path, tmp_path_factory: pytest.TempPathFactory) -> OnnxArtifactWriter:
    return make_writer(RESNET20, 3, templates, tmp_path_factory.mktemp("weights"))


def make_writer(network: Network, seed: int, templates: Path, folder: Path) -> OnnxArtifactWriter:
    template = RUNTIME.template(network, CLASSES, templates)
    return template.writer(weights_file(network, seed, folder), images(64, seed))


@pytest.mark.parametrize("network", [RESNET20, MOBILENET], ids=lambda a: a.key)
def test_fp32_is_the_network(network: Network, templates: Path, tmp_path: Path):
    artifact = tmp_path / "model.onnx"
    make_writer(network, 9, templates, tmp_path).write(scheme_named("fp32"), artifact)
    some = images(50, seed=4)
    with torch.inference_mode():
        expected = random_model(network, 9)(torch.from_numpy(some)).numpy()
    got = RUNTIME.logits(artifact, some, threads=1)
    assert np.abs(got - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_file_is_valid_and_near_the_network(
    scheme: str, writer: OnnxArtifactWriter, tmp_path: Path
):
    bound = {"fp16": 0.002, "int8_weight_only": 0.03, "int8_static": 0.06, "int8_dynamic": 0.03}
    artifact, plain = tmp_path / "model.onnx", tmp_path / "plain.onnx"
    writer.write(scheme_named(scheme), artifact)
    writer.write(scheme_named("fp32"), plain)
    onnx.checker.check_model(onnx.load(artifact), full_check=True)
    some = images(50, seed=4)
    exact = RUNTIME.logits(plain, some, threads=1)
    error = np.abs(RUNTIME.logits(artifact, some, threads=1) - exact).max() / np.abs(exact).max()
    coarse = {"int4_weight_only": 0.5, "w4a8": 0.5, "int3_weight_only": 0.9, "int2_weight_only": 2}
    coarse |= {"bf16": 0.02, "int7_weight_only": 0.06, "int6_weight_only": 0.12}
    coarse |= {"int5_weight_only": 0.25, "int4_block32": 0.4, "int3_block32": 0.8}
    coarse |= {"int2_block32": 3, "int4_per_tensor": 1, "w4a8_per_tensor": 1}
    coarse |= {"int8_static_per_tensor": 0.1}
    coarse |= {"fp16_sparse": 0.002, "int8_sparse": 0.03, "int4_sparse": 0.5, "int3_sparse": 0.9}
    coarse |= {"int2_sparse": 2, "int8_static_sparse": 0.06, "w4a8_sparse": 0.5}
    assert error <= (bound | coarse).get(scheme, 0.0)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_size_does_not_depend_on_weights_and_bytes_on_nothing_else(
    scheme: str, writer: OnnxArtifactWriter, templates: Path, tmp_path: Path
):
    paths = [tmp_path / f"{name}.onnx" for name in ("first", "again", "other", "zeros")]
    writer.write(scheme_named(scheme), paths[0])
    make_writer(RESNET20, 3, templates, tmp_path).write(scheme_named(scheme), paths[1])
    make_writer(RESNET20, 4, templates, tmp_path).write(scheme_named(scheme), paths[2])
    model = random_model(RESNET20, 3)
    for parameter in model.parameters():
        parameter.data.zero_()
    save_weights(model, tmp_path / "zeros.safetensors")
    template = RUNTIME.template(RESNET20, CLASSES, templates)
    template.writer(tmp_path / "zeros.safetensors", images(8, 1)).write(
        scheme_named(scheme), paths[3]
    )
    assert len({path.stat().st_size for path in paths}) == 1
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].read_bytes() != paths[2].read_bytes()
    assert not RUNTIME.logits(paths[3], images(2, 1), threads=1).any()


def test_schemes_shrink_as_their_bits_say(writer: OnnxArtifactWriter, tmp_path: Path):
    sizes = {}
    for name, scheme in SCHEMES.items():
        writer.write(scheme, tmp_path / name)
        sizes[name] = (tmp_path / name).stat().st_size
    weights = sum(p.numel() for n, p in random_model(RESNET20, 3).named_parameters() if p.ndim > 1)
    assert sizes["fp32"] - sizes["fp16"] == pytest.approx(2 * weights, rel=0.03)
    assert sizes["fp32"] - sizes["int8_weight_only"] == pytest.approx(3 * weights, rel=0.03)
    assert sizes["fp32"] - sizes["int4_weight_only"] == pytest.approx(3.5 * weights, rel=0.03)
    assert sizes["fp32"] - sizes["int3_weight_only"] == pytest.approx(3.625 * weights, rel=0.03)
    assert sizes["fp32"] - sizes["int2_weight_only"] == pytest.approx(3.75 * weights, rel=0.03)
    assert sizes["int8_static"] - sizes["w4a8"] == pytest.approx(0.5 * weights, rel=0.05)


@pytest.mark.parametrize("network", [RESNET20, MOBILENET], ids=lambda a: a.key)
def test_static_schemes_run_in_integers_and_weight_only_folds(
    network: Network, templates: Path, tmp_path: Path
):
    writer = make_writer(network, 3, templates, tmp_path)
    artifact = tmp_path / "model.onnx"
    for name, scheme in SCHEMES.items():
        writer.write(scheme, artifact)
        left = kernels(artifact, tmp_path)
        if isinstance(scheme.layout, Static):
            assert left["QLinearConv"] > 0
            assert left["Conv"] == left["Gemm"] == left["Clip"] == left["Relu"] == 0, name
        elif name == "int8_dynamic":
            assert left["DynamicQuantizeMatMul"] == 1
        else:
            assert left["Cast"] == left["Mul"] == left["DequantizeLinear"] == 0, name
            assert left["BitShift"] == left["Slice"] == 0, name


def test_file_says_nothing_about_the_machine(writer: OnnxArtifactWriter, tmp_path: Path):
    artifact = tmp_path / "model.onnx"
    for scheme in SCHEMES.values():
        writer.write(scheme, artifact)
        content = artifact.read_bytes()
        for word in (str(Path.cwd()), "site-packages", "torch", 'File "', str(Path.home())):
            assert word.encode() not in content


def test_dynamic_scores_do_not_depend_on_the_other_images(
    writer: OnnxArtifactWriter, tmp_path: Path
):
    writer.write(scheme_named("int8_dynamic"), tmp_path / "model.onnx")
    some = images(8, seed=4)
    some[3] *= 50
    together = RUNTIME.logits(tmp_path / "model.onnx", some, threads=1)
    alone = RUNTIME.logits(tmp_path / "model.onnx", some[:1], threads=1)
    assert np.array_equal(together[:1], alone)


def test_percentile_narrows_the_grids(writer: OnnxArtifactWriter):
    whole = writer.grids(Calibration())
    clipped = writer.grids(Calibration("percentile_99.9"))
    assert whole.keys() == clipped.keys()
    assert all(clipped[name].scale <= whole[name].scale * 1.001 for name in whole)
    image = images(64, 3)
    low, high = np.percentile(image, [0.05, 99.95])
    assert clipped["image"].scale * 255 == pytest.approx(high - low, rel=0.01)


def test_dead_channel_keeps_its_bias(templates: Path, tmp_path: Path):
    """A channel of zero weights would get a scale too small for its bias in 32 bits."""
    model = random_model(RESNET20, 3)
    with torch.no_grad():
        model.conv1.weight[0] = 0
        model.bn1.bias[0] = 3.0
    save_weights(model, tmp_path / "dead.safetensors")
    template = RUNTIME.template(RESNET20, CLASSES, templates)
    writer = template.writer(tmp_path / "dead.safetensors", images(64, 3))
    some, logits = images(20, 4), {}
    for name in ("fp32", "int8_static"):
        writer.write(scheme_named(name), tmp_path / name)
        logits[name] = RUNTIME.logits(tmp_path / name, some, threads=1)
    scale = np.abs(logits["fp32"]).max()
    assert np.abs(logits["fp32"] - logits["int8_static"]).max() < 0.06 * scale


def test_template_is_exported_once_and_read_in_milliseconds(templates: Path):
    RUNTIME.template(RESNET20, CLASSES, templates)
    before = {path: path.stat().st_mtime_ns for path in templates.iterdir()}
    RUNTIME.template(RESNET20, CLASSES, templates)
    assert before == {path: path.stat().st_mtime_ns for path in templates.iterdir()}
    assert all(path.stat().st_size < 100_000 for path in before)


@pytest.mark.parametrize(
    ("architecture", "widths", "exports"),
    [
        ("cifar_resnet20", (0.25, 1.0, 0.375), 1),
        # At 0.25 rounding makes two widths equal, and the network has a shortcut more.
        pytest.param("mobilenet_v2", (0.25, 0.5, 1.0, 0.75), 2, marks=pytest.mark.long),
    ],
)
def test_a_graph_of_another_width_is_made_of_one_that_is_there_to_the_same_bytes(
    architecture: str,
    widths: tuple[float, ...],
    exports: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    networks = [Network(architecture, width, image_size=16) for width in widths]
    calls: list[str] = []

    def export_template(model: torch.nn.Module, image_size: int, name: str) -> GraphTemplate:
        calls.append(name)
        return onnx_export.export_template(model, image_size, name)

    monkeypatch.setattr(onnx_runtime, "export_template", export_template)
    for network in networks:
        RUNTIME.template(network, CLASSES, tmp_path / "together")
    assert len(calls) == exports
    last = networks[-1]
    RUNTIME.template(last, CLASSES, tmp_path / "apart")
    (exported,) = (tmp_path / "apart").iterdir()
    assert (tmp_path / "together" / exported.name).read_bytes() == exported.read_bytes()


def test_a_damaged_template_is_noticed_and_made_again(templates: Path, tmp_path: Path):
    RUNTIME.template(RESNET20, CLASSES, templates)
    key = onnx_export.template_key(RESNET20, CLASSES)
    path = shutil.copytree(templates, tmp_path / "kept") / f"{key}.onnx"
    whole = path.read_bytes()
    seed = secrets.randbits(32)
    print(f"{seed=}")
    draw = random.Random(seed)
    for _ in range(100):
        at = draw.randrange(len(whole))
        flipped = bytes([whole[at] ^ 1 << draw.randrange(8)])
        path.write_bytes(draw.choice([whole[:at], whole[:at] + flipped + whole[at + 1 :]]))
        with pytest.raises(DamagedError):
            GraphTemplate.load(path)
    RUNTIME.template(RESNET20, CLASSES, path.parent)
    assert path.read_bytes() == whole


def test_weights_of_another_network_are_refused(templates: Path, tmp_path: Path):
    template = RUNTIME.template(RESNET20, CLASSES, templates)
    with pytest.raises(InputError, match=r"not of cifar_resnet20@1"):
        template.writer(weights_file(MOBILENET, 1, tmp_path), images(4, 1))


def test_unknown_runtime_lists_the_known():
    with pytest.raises(UnknownNameError, match="known are onnxruntime, executorch, openvino"):
        runtime_named("tflite")
