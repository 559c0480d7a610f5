"""OpenVINO on the files of onnxruntime's runtime: the same classes, at its own latencies."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy, interpolate

from objectives import trust_modules
from objectives.costs import device_profile
from objectives.costs.measurement import Candidate, measure_costs
from objectives.models import initialised_model, save_weights
from objectives.models.zeros import zero_smallest
from objectives.runtimes import ArtifactWriter, PixelInput, Runtime, runtime_named
from objectives.runtimes.onnx_runtime import OnnxRuntime
from spaces import SCHEMES, InputError, Network, Pruned, Scheme, WeightOnly, scheme_named
from tests.objectives.networks import CLASSES, RESNET20, images, random_model, weights_file

pytestmark = pytest.mark.skipif(
    find_spec("openvino") is None, reason="runtime openvino is an extra: distilfront[openvino]"
)
"""Not importorskip: an import from here would send usage data."""

ONNX = OnnxRuntime()
trust_modules([__name__])
NETWORK = Network("cifar_resnet20", 0.5, image_size=16)
READ = (
    "fp32",
    "fp16",
    "int8_weight_only",
    "int8_static",
    "int4_weight_only",
    "w4a8",
    "int8_dynamic",
    "bf16",
    "int4_per_tensor",
    "int8_static_per_tensor",
    "w4a8_per_tensor",
    "fp32_sparse",
    "fp16_sparse",
    "int8_sparse",
    "int4_sparse",
    "int8_static_sparse",
    "w4a8_sparse",
)
ROUNDED_ACTIVATIONS = (
    "int8_static",
    "w4a8",
    "w4a8+quantease",
    "int8_static_per_tensor",
    "w4a8_per_tensor+quantease",
    "int8_static_sparse",
    "w4a8_sparse",
)
Images = NDArray[np.float32]


HAS_AMX = Path("/proc/cpuinfo").is_file() and "amx_int8" in Path("/proc/cpuinfo").read_text()


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return runtime_named("openvino")


@pytest.fixture(scope="module")
def digits() -> Images:
    """The embedded digits [1797, 3, 16, 16], normalised."""
    grey = torch.from_numpy(load_digits().images).float()[:, None].expand(-1, 3, -1, -1)
    scaled = interpolate(grey, size=(16, 16), mode="bilinear")
    return ((scaled - scaled.mean()) / scaled.std()).numpy()


@pytest.fixture(scope="module")
def writer(
    runtime: Runtime, digits: Images, templates: Path, tmp_path_factory: pytest.TempPathFactory
) -> ArtifactWriter:
    """A network that has learned the first thousand digits for some seconds."""
    seen, labels = torch.from_numpy(digits[:1000]), torch.from_numpy(load_digits().target[:1000])
    model = initialised_model(NETWORK, CLASSES, seed=0).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        for batch in torch.randperm(1000, generator=generator).split(40):
            optimizer.zero_grad()
            cross_entropy(model(seen[batch]), labels[batch]).backward()
            optimizer.step()
    weights = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    save_weights(model, weights)
    template = runtime.template(NETWORK, CLASSES, templates)
    return runtime.writer(template, weights, digits[:128])


def two_linear(classes: int) -> nn.Module:
    """Two linear layers, one after the other."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 64),
        nn.ReLU(),
        nn.Linear(64, classes),
    )


def rms(values: Images) -> float:
    return float(np.sqrt(np.square(values).mean()))


# Rounded to nearest, 4 bits a layer leave logits so close that a last digit decides.
@pytest.mark.parametrize(
    "scheme",
    [
        *(one for one in READ if one != "w4a8_per_tensor"),
        "w4a8_per_tensor+quantease",
        "w4a8+quantease",
    ],
)
def test_classes_are_those_of_onnxruntime(
    scheme: str, runtime: Runtime, writer: ArtifactWriter, digits: Images, tmp_path: Path
):
    artifact, plain, some = tmp_path / "model.onnx", tmp_path / "plain.onnx", digits[1000:1500]
    writer.write(scheme_named(scheme), artifact)
    writer.write(scheme_named("fp32"), plain)
    got = runtime.logits(artifact, some, threads=1)
    expected, exact = (ONNX.logits(path, some, threads=1) for path in (artifact, plain))
    assert (exact.argmax(1) == load_digits().target[1000:1500]).mean() > 0.8
    # With AMX OpenVINO rounds elsewhere: 494 of these 500 images were seen to agree.
    assert (got.argmax(1) == expected.argmax(1)).mean() >= (0.98 if HAS_AMX else 0.99)
    if scheme in ROUNDED_ACTIVATIONS:  # Each rounds otherwise; neither is further from the floats.
        assert rms(got - exact) <= 1.1 * rms(expected - exact)
    else:
        assert rms(got - expected) <= 1e-4 * rms(exact)


def test_the_other_images_of_a_call_change_nothing(
    runtime: Runtime, writer: ArtifactWriter, digits: Images, tmp_path: Path
):
    """A dynamic layout takes its activations' ranges over a batch."""
    writer.write(scheme_named("int8_dynamic"), tmp_path / "model.onnx")
    together = runtime.logits(tmp_path / "model.onnx", digits[:8], threads=1)
    alone = runtime.logits(tmp_path / "model.onnx", digits[:1], threads=1)
    assert np.array_equal(together[:1], alone)


@pytest.mark.parametrize("scheme", ["int8_weight_only", "int4_weight_only"])
def test_weight_only_files_round_no_activations(scheme: str, runtime: Runtime, tmp_path: Path):
    """By default OpenVINO does, before a linear layer with 8-bit weights: an error of a percent."""
    network, artifact = Network(f"{__name__}:two_linear"), tmp_path / "model.onnx"
    template = runtime.template(network, CLASSES, tmp_path)
    some = runtime.writer(template, weights_file(network, 3, tmp_path), images(8, 1))
    some.write(scheme_named(scheme), artifact)
    expected = ONNX.logits(artifact, images(20, 2), threads=1)
    got = runtime.logits(artifact, images(20, 2), threads=1)
    assert np.abs(got - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("scheme", [name for name in READ if name.endswith("sparse")])
def test_weights_without_their_zeros_are_all_there(
    scheme: str, share: float, runtime: Runtime, templates: Path, tmp_path: Path
):
    """Of a linear layer too, which read another's while the bits were taken apart as bits."""
    network = Network("resnet18", image_size=16, pruned=Pruned(weights=share))
    model = random_model(network, 3)
    zero_smallest(model, network.pruned, 16)
    save_weights(model, tmp_path / "weights.safetensors")
    template = runtime.template(network, CLASSES, templates)
    some = runtime.writer(template, tmp_path / "weights.safetensors", images(16, 1, 16))
    sparse, dense = scheme_named(scheme), scheme_named(scheme).layout.dense
    some.write(sparse, tmp_path / "sparse.onnx")
    some.write(Scheme("dense", dense), tmp_path / "dense.onnx")
    assert (tmp_path / "sparse.onnx").stat().st_size < (tmp_path / "dense.onnx").stat().st_size
    first, second = (
        runtime.logits(tmp_path / name, images(8, 2, 16), threads=1)
        for name in ("sparse.onnx", "dense.onnx")
    )
    assert np.abs(first - second).max() <= 1e-5 * np.abs(second).max()


def test_files_are_those_of_onnxruntime(runtime: Runtime, templates: Path, tmp_path: Path):
    weights = weights_file(NETWORK, 3, tmp_path)
    for each in (runtime, ONNX):
        template = each.template(NETWORK, CLASSES, templates)
        some = each.writer(template, weights, images(8, 1, 16))
        some.write(scheme_named("int8_static"), tmp_path / f"{each.name}.onnx")
    first, second = (tmp_path / f"{name}.onnx" for name in ("openvino", "onnxruntime"))
    assert first.read_bytes() == second.read_bytes()
    assert (runtime.file_name, runtime.pixel_kinds) == (ONNX.file_name, ONNX.pixel_kinds)


def test_a_file_takes_pixels(
    runtime: Runtime, writer: ArtifactWriter, digits: Images, tmp_path: Path
):
    writer.write(scheme_named("fp32"), tmp_path / "model.onnx")
    before = runtime.logits(tmp_path / "model.onnx", digits[:20], threads=1)
    mean, std = (0.5, 0.4, 0.3), (0.3, 0.2, 0.1)
    runtime.take_pixels(tmp_path / "model.onnx", PixelInput("float", mean, std, ("a",), 16))
    shape = (1, 3, 1, 1)
    pixels = digits[:20] * np.reshape(std, shape) + np.reshape(mean, shape)
    after = runtime.logits(tmp_path / "model.onnx", pixels.astype(np.float32), threads=1)
    assert np.abs(before - after).max() < 1e-3


def test_it_has_the_schemes_whose_layout_it_reads(runtime: Runtime):
    schemes = runtime.schemes()
    assert tuple(schemes) == READ
    assert len(schemes) == len(READ)
    assert "w4a8+quantease" in schemes
    assert "int4_weight_only+gpfq" in schemes
    for name in ("int3_weight_only", "int2_weight_only+gpfq", "fp33", 8):
        assert name not in schemes
    words = {f"int{bits}_weight_only" for bits in (7, 6, 5, 3, 2)} | {"int3_sparse", "int2_sparse"}
    assert set(SCHEMES) - set(READ) == words | {f"int{bits}_block32" for bits in (4, 3, 2)}


@pytest.mark.parametrize("scheme", [scheme_named("int3_weight_only"), Scheme("a", WeightOnly(2))])
def test_a_scheme_it_cannot_read_is_not_written(
    scheme: Scheme, writer: ArtifactWriter, tmp_path: Path
):
    with pytest.raises(InputError, match=f"openvino cannot write {scheme.name}: it can write fp32"):
        writer.write(scheme, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_openvino_still_cannot_read_them(runtime: Runtime, templates: Path, tmp_path: Path):
    """What the runtime says of itself; where this fails, it can have two schemes more."""
    weights = weights_file(RESNET20, 3, tmp_path)
    onnx_writer = ONNX.writer(ONNX.template(RESNET20, CLASSES, templates), weights, images(8, 1))
    for scheme in ("int3_weight_only", "int2_weight_only"):
        onnx_writer.write(scheme_named(scheme), tmp_path / "model.onnx")
        with pytest.raises(RuntimeError, match="No conversion rule found"):
            runtime.logits(tmp_path / "model.onnx", images(2, 1), threads=1)


def test_latencies_are_its_own(writer: ArtifactWriter, tmp_path: Path):
    candidates = []
    for name in ("fp32", "int8_static"):
        scheme, path = scheme_named(name), tmp_path / f"{name}.onnx"
        writer.write(scheme, path)
        candidates.append(Candidate(NETWORK, scheme.layout.key, path, flops=1, parameters=1))
    table = measure_costs(candidates, NETWORK.key, "openvino", processes=1, calls=20)
    assert table.of(NETWORK.key, "int8_static").median_ms > 0
    assert table.device["runtime"].startswith("openvino 20")
    assert table.runtime == "openvino"


def test_what_is_timed_computes_what_is_scored(
    runtime: Runtime, writer: ArtifactWriter, tmp_path: Path
):
    writer.write(scheme_named("w4a8"), tmp_path / "model.onnx")
    image = device_profile.random_image(16)
    call = device_profile.open_artifact("openvino", tmp_path / "model.onnx", image, threads=1)
    answer: Any = call()
    scored = runtime.logits(tmp_path / "model.onnx", image, threads=1)
    assert np.array_equal(answer[0], scored)


def test_no_usage_data_are_sent(runtime: Runtime, writer: ArtifactWriter, tmp_path: Path):
    writer.write(scheme_named("fp32"), tmp_path / "model.onnx")
    runtime.logits(tmp_path / "model.onnx", images(1, 1, 16), threads=1)
    assert sys.modules["openvino_telemetry"] is None


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("objectives.runtimes.openvino_runtime.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'distilfront\[openvino\]'"):
        runtime_named("openvino")
