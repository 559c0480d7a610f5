"""What a network computes while it learns through a layout, against what its artifact computes."""

import numpy as np
import pytest
import torch
from peft import LoHaConfig, LoKrConfig, LoraConfig, get_peft_model
from torch import nn

from objectives.models import layers_with_own_weight, save_weights
from objectives.quantization import (
    BatchNorm,
    Form,
    fold_batch_norm,
    quantize_weight,
    rounded_weight,
)
from objectives.runtimes.onnx_runtime import OnnxRuntime
from objectives.seeding import seeded
from objectives.training import adaptation, logits_of, seen_through
from objectives.training.fake_quantization import merged_weight
from spaces import ADAPTERS, INTEGER_LAYOUTS, SCHEMES, Adapt, DistilfrontError, Float16
from tests.objectives import made_weights
from tests.objectives.networks import CLASSES, MOBILENET, RESNET20, images, random_model

WEIGHT_ONLY = ("w8", "w4", "w3", "w2")
ON_THE_BORDER = 1e-3
"""Of the largest logit: what a few weights explain that lie on the border of two codes and fall on
either side, as the adapter is added in another order. Another rounding changes five times as much.
"""
SCHEME_OF = {one.layout.key: one for one in SCHEMES.values()}


@pytest.mark.parametrize("bits", [8, 4, 3, 2])
@pytest.mark.parametrize("shape", [(16, 8, 3, 3), (24, 1, 3, 3), (5, 1, 1, 1), (10, 64)], ids=str)
def test_rounding_before_folding_is_rounding_after_it(bits: int, shape: tuple[int, ...]):
    rng = np.random.default_rng(bits)
    weight = rng.standard_normal(shape).astype(np.float32)
    scale, shift, mean = rng.standard_normal((3, shape[0])).astype(np.float32)
    scale[0] = -0.0  # A dead channel.
    norm = BatchNorm(scale, shift, mean, rng.uniform(0.1, 2, shape[0]).astype(np.float32), 1e-5)
    folded, _ = fold_batch_norm(weight, None, norm)
    quantized = quantize_weight(folded, Form(bits))
    column = (-1, *[1] * (len(shape) - 1))
    expected = quantized.codes * quantized.scale.reshape(column)
    rounded = rounded_weight(torch.from_numpy(weight), bits).numpy()
    got, _ = fold_batch_norm(rounded, None, norm)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)


def test_gradients_pass_the_rounding_of_weights_and_end_where_activations_are_cut_off():
    model = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.Flatten())
    seen = torch.tensor([0.0, 1.0, 2.0]).reshape(1, 3, 1, 1)  # The grid is of 0 to 2.
    given = torch.tensor([-0.5, 0.9, 2.5]).reshape(1, 3, 1, 1).requires_grad_()
    with seen_through(model, INTEGER_LAYOUTS["w4a8"], seen):
        answer = model(given)
        answer.sum().backward()
    weight = model[0].weight
    rounded = rounded_weight(weight.detach(), 4).flatten(1)
    on_grid = torch.tensor([[0.0, 115 * 2 / 255, 2.0]])
    torch.testing.assert_close(answer, on_grid @ rounded.T)
    torch.testing.assert_close(weight.grad.flatten(1), on_grid.expand(2, 3))
    torch.testing.assert_close(given.grad.flatten(), torch.tensor([0, 1, 0]) * rounded.sum(0))
    assert "forward" not in vars(model[0])


CONFIGS = {
    "lora": LoraConfig(r=3, lora_alpha=6, target_modules=".*conv2|fc"),
    "dora": LoraConfig(
        r=3, lora_alpha=6, use_dora=True, target_modules="fc"
    ),  # peft's own forward cannot take channels_last maps.,
    "loha": LoHaConfig(r=3, alpha=6, target_modules=".*conv2|fc", use_effective_conv2d=True),
    "lokr": LoKrConfig(r=3, alpha=6, target_modules=".*conv2|fc"),
}


@pytest.mark.parametrize("method", CONFIGS)
def test_a_layer_computes_with_the_rounded_weight_that_merging_leaves(method: str):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        adapted = get_peft_model(random_model(RESNET20, 1), CONFIGS[method])
        learned = [one for one in adapted.parameters() if one.requires_grad]
        for one in learned:
            one.data.normal_(std=0.3)
    some = torch.from_numpy(images(4, 1))
    with seen_through(adapted, INTEGER_LAYOUTS["w4"], some):
        adapted(some).square().sum().backward()
        assert all(one.grad is not None and one.grad.any() for one in learned)
        seen = logits_of(adapted, some)
        weights = {
            name: merged_weight(layer) for name, layer in layers_with_own_weight(adapted).items()
        }
    merged = adapted.merge_and_unload()
    layers = dict(merged.named_modules())
    assert len(weights) == sum(isinstance(one, nn.Conv2d | nn.Linear) for one in layers.values())
    for name, weight in weights.items():
        layer = layers[name.removeprefix("base_model.model.")]
        torch.testing.assert_close(weight, layer.weight)
        layer.weight.data = rounded_weight(layer.weight.data, 4)
    torch.testing.assert_close(logits_of(merged, some), seen, rtol=1e-4, atol=1e-4)


def test_dropout_leaves_input_channels_of_the_change_out():
    model = nn.Sequential(nn.Linear(400, 7))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = LoraConfig(r=2, lora_alpha=2, lora_dropout=0.25, target_modules="0")
        layer = get_peft_model(model, config).base_model.model[0]
        layer.lora_B["default"].weight.data.fill_(1.0)
        base, whole = layer.base_layer.weight, layer.get_delta_weight("default")
        change = merged_weight(layer.train()) - base
        out = (change == 0).all(0)
        assert 50 < out.sum() < 150
        torch.testing.assert_close(change[:, ~out], whole[:, ~out] / 0.75)
        torch.testing.assert_close(merged_weight(layer.eval()) - base, whole)


def test_dropout_changes_what_dora_learns_through_a_layout():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = LoraConfig(r=2, lora_dropout=0.25, use_dora=True, target_modules="0")
        layer = get_peft_model(nn.Sequential(nn.Linear(40, 7)), config).base_model.model[0]
        layer.lora_B["default"].weight.data.fill_(1.0)
        first, second = (merged_weight(layer.train()) for _ in range(2))
        assert not torch.equal(first, second)
        whole = merged_weight(layer.eval())
        given = torch.randn(3, 40)
        torch.testing.assert_close(given @ whole.T + layer.base_layer.bias, layer(given))


@pytest.mark.parametrize("network", [RESNET20, MOBILENET], ids=lambda one: one.key)
def test_what_an_artifact_of_float_arithmetic_computes_was_seen(network, templates, tmp_path):
    runtime, some = OnnxRuntime(), images(24, 7)
    template = runtime.template(network, CLASSES, templates)
    for key in WEIGHT_ONLY:
        adapter = adaptation(Adapt(rank=2, layout=key))
        with seeded("adapter", 1):
            adapted = adapter.attach(random_model(network, 3), 32)
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                nn.init.constant_(weight, 0.02)
        with seen_through(adapted, INTEGER_LAYOUTS[key], torch.from_numpy(some[:8])):
            seen = logits_of(adapted, torch.from_numpy(some)).numpy()
        save_weights(adapter.merge(adapted), tmp_path / "weights.safetensors")
        writer = template.writer(tmp_path / "weights.safetensors", some)
        writer.write(SCHEME_OF[key], tmp_path / "model.onnx")
        got = runtime.logits(tmp_path / "model.onnx", some, threads=1)
        assert np.abs(got - seen).max() <= ON_THE_BORDER * np.abs(seen).max(), key
        plain = logits_of(random_model(network, 3), torch.from_numpy(some)).numpy()
        assert np.abs(got - plain).max() > 0.005 * np.abs(plain).max(), key


@pytest.mark.parametrize("method", [name for name in ADAPTERS if name != "lora"])
def test_what_was_seen_is_what_is_merged_whatever_the_method(method, templates, tmp_path):
    runtime, some = OnnxRuntime(), images(24, 7)
    adapter = adaptation(Adapt(method=method, layout="w4"))
    with seeded("adapter", 1):
        adapted = adapter.attach(random_model(RESNET20, 3), 32)
    draws = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight.add_(0.02 * torch.randn(weight.shape, generator=draws))
    with seen_through(adapted, INTEGER_LAYOUTS["w4"], torch.from_numpy(some[:8])):
        seen = logits_of(adapted, torch.from_numpy(some)).numpy()
    save_weights(adapter.merge(adapted), tmp_path / "weights.safetensors")
    template = runtime.template(RESNET20, CLASSES, templates)
    template.writer(tmp_path / "weights.safetensors", some).write(
        SCHEME_OF["w4"], tmp_path / "model.onnx"
    )
    got = runtime.logits(tmp_path / "model.onnx", some, threads=1)
    assert np.abs(got - seen).max() <= ON_THE_BORDER * np.abs(seen).max()


@pytest.mark.parametrize("key", ["w8a8", "w4a8"])
def test_of_integer_arithmetic_most_was_seen(key, templates, tmp_path):
    runtime, some = OnnxRuntime(), images(32, 7)
    model = random_model(RESNET20, 3)
    save_weights(model, tmp_path / "weights.safetensors")
    plain = logits_of(model, torch.from_numpy(some)).numpy()
    with seen_through(model, INTEGER_LAYOUTS[key], torch.from_numpy(some)):
        seen = logits_of(model, torch.from_numpy(some)).numpy()
    writer = runtime.template(RESNET20, CLASSES, templates).writer(
        tmp_path / "weights.safetensors", some
    )
    writer.write(SCHEME_OF[key], tmp_path / "model.onnx")
    got = runtime.logits(tmp_path / "model.onnx", some, threads=1)
    assert np.linalg.norm(got - seen) < 0.7 * np.linalg.norm(got - plain)
    after = logits_of(model, torch.from_numpy(some)).numpy()
    assert np.abs(after - plain).max() <= 1e-5 * np.abs(plain).max()


@pytest.mark.parametrize("network", [RESNET20, MOBILENET], ids=lambda one: one.key)
def test_the_layers_are_those_that_the_runtime_quantizes(network, templates):
    template = OnnxRuntime().template(network, CLASSES, templates).graph
    names = {f"{name}.weight" for name in layers_with_own_weight(random_model(network, 1))}
    assert names == {layer.weight for layer in template.layers}


def test_layers_that_compute_their_weights_or_share_them_stay_as_they_are():
    model = nn.Sequential(
        made_weights.StandardisedConv(3, 4, 3),
        nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 1)),
        nn.Conv2d(4, 4, 1),
        nn.Conv2d(4, 4, 1),
        nn.Conv2d(4, 4, 1),
    )
    model[2].weight = model[3].weight
    assert list(layers_with_own_weight(model)) == ["4"]


def test_a_layout_that_nothing_is_known_of_is_refused():
    model, some = nn.Sequential(nn.Linear(2, 2)), torch.zeros(1, 2)
    with (
        pytest.raises(DistilfrontError, match="for the layout fp16"),
        seen_through(model, Float16(), some),
    ):
        pass
