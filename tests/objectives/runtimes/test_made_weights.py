"""Weights that a network makes of others, or uses on tokens, fill like any: every scheme."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from objectives.runtimes.onnx_export import export_template
from objectives.runtimes.onnx_runtime import OnnxRuntime
from spaces import SCHEMES, InputError, Network, scheme_named
from tests.objectives import full_export, made_weights
from tests.objectives.networks import (
    CLASSES,
    images,
    kernels,
    random_model,
    unsaturated_logits,
    weights_file,
)

RUNTIME = OnnxRuntime()
FAR = {
    "fp32": 1e-4,
    "fp16": 0.01,
    "int8_weight_only": 0.1,
    "int8_static": 0.25,
    "int8_dynamic": 0.2,
}
"""Of the largest logit; 4 bits and fewer are only asked to be finite."""


def network_of(make: Callable[[int], nn.Module]) -> Network:
    return Network(f"{make.__module__}:{make.__name__}", image_size=made_weights.IMAGE_SIZE)


def made(network: Network, seed: int, templates: Path, folder: Path):
    template = RUNTIME.template(network, CLASSES, templates)
    return template, template.writer(weights_file(network, seed, folder), images(32, seed))


QUICK = 4
"""So many of the networks are tried in the quick tests."""


def every_make(function):
    makes = [
        pytest.param(make, id=make.__name__, marks=[pytest.mark.long] if number >= QUICK else [])
        for number, make in enumerate(made_weights.ALL)
    ]
    return pytest.mark.parametrize("make", makes)(function)


@every_make
def test_fp32_is_the_network_and_an_independent_full_export(make, templates, tmp_path):
    network = network_of(make)
    _, writer = made(network, 5, templates, tmp_path)
    writer.write(scheme_named("fp32"), tmp_path / "model.onnx")
    some = images(7, seed=2)
    got = RUNTIME.logits(tmp_path / "model.onnx", some, threads=1)
    model = random_model(network, 5)
    with torch.inference_mode():
        expected = model(torch.from_numpy(some)).numpy()
    exported = full_export.export(model, made_weights.IMAGE_SIZE, tmp_path / "full.onnx")
    limit = FAR["fp32"] * np.abs(expected).max()
    assert np.abs(got - expected).max() <= limit
    assert np.abs(got - full_export.run(exported, some, 7)).max() <= limit


@every_make
def test_every_scheme_is_near_and_its_size_follows_from_the_network_alone(
    make, templates, tmp_path
):
    network = network_of(make)
    _, writer = made(network, 5, templates, tmp_path)
    _, other = made(network, 6, templates, tmp_path)
    some, logits, sizes = images(16, seed=2), {}, {}
    for name, scheme in SCHEMES.items():
        artifact = tmp_path / "model.onnx"
        other.write(scheme, artifact)
        sizes[name] = artifact.stat().st_size
        writer.write(scheme, artifact)
        assert artifact.stat().st_size == sizes[name]
        onnx.checker.check_model(onnx.load(artifact), full_check=True)
        logits[name] = unsaturated_logits(artifact, some)
    exact = logits["fp32"]
    for name, got in logits.items():
        assert np.isfinite(got).all()
        far = np.abs(got - exact).max() / np.abs(exact).max()
        assert far <= FAR.get(name, np.inf), name


def layers_of(make, templates, tmp_path) -> list[str]:
    template, _ = made(network_of(make), 5, templates, tmp_path)
    return [layer.weight for layer in template.graph.layers]


def test_a_linear_on_tokens_is_a_layer_under_its_own_name(templates, tmp_path):
    names = layers_of(made_weights.tokens, templates, tmp_path)
    assert names == ["patch.weight", "mix.weight", "head.weight"]
    names = layers_of(made_weights.convnext, templates, tmp_path)
    assert names == [
        "0.weight",
        "1.block.0.weight",
        "1.block.3.weight",
        "1.block.5.weight",
        "4.weight",
    ]
    names = layers_of(made_weights.attention, templates, tmp_path)
    assert "attention.in_proj_weight" in names
    assert "attention.out_proj.weight" in names


@pytest.mark.parametrize(
    "make",
    [made_weights.matrix, made_weights.weight_norm, made_weights.spectral_norm],
    ids=lambda make: make.__name__,
)
def test_a_weight_that_is_made_is_a_layers_too(make, templates, tmp_path):
    assert len(layers_of(make, templates, tmp_path)) == 3


def test_static_linears_on_tokens_run_in_integers(templates, tmp_path):
    template, writer = made(network_of(made_weights.vit), 5, templates, tmp_path)
    layers = len(template.graph.layers)
    assert layers == 1 + 2 * 4 + 1  # patches, four a block, classes
    artifact = tmp_path / "model.onnx"
    writer.write(scheme_named("int8_static"), artifact)
    left = kernels(artifact, tmp_path)
    assert left["QGemm"] == layers - 1
    assert left["QLinearConv"] == 1
    assert left["Gemm"] == left["Conv"] == 0
    writer.write(scheme_named("int8_dynamic"), artifact)
    assert kernels(artifact, tmp_path)["DynamicQuantizeMatMul"] == layers - 1


class FixedCount(nn.Module):
    """Its forward asks for the number of images as a plain integer."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.mean((2, 3)).reshape(len(x), 3))


def test_a_network_for_one_number_of_images_is_refused_with_the_way_out():
    with pytest.raises(InputError, match=r"mine cannot be exported .* x\.shape\[0\]"):
        export_template(FixedCount(), 12, "mine")


def test_a_network_that_keeps_what_it_made_of_a_weight_is_refused_by_tensor(tmp_path):
    network = network_of(made_weights.keeps_a_copy)
    with pytest.raises(
        InputError, match=r"keeps_a_copy@1.* cannot be filled.* read gain"
    ) as caught:
        RUNTIME.template(network, CLASSES, tmp_path / "templates")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.onnx"))
