"""A network all of whose weights learn through a layout: what was seen is what is in the file."""

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from objectives.models import save_weights
from objectives.quantization import fitted_weight
from objectives.runtimes.onnx_runtime import OnnxRuntime
from objectives.training import logits_of, trained_through
from spaces import INTEGER_LAYOUTS, SCHEMES, DistilfrontError, Float16, Static
from tests.objectives.networks import CLASSES, MOBILENET, RESNET20, images, random_model

SCHEME_OF = {one.layout.key: one for one in SCHEMES.values()}
LAYOUTS = pytest.mark.parametrize("key", INTEGER_LAYOUTS)


def some(count: int = 24) -> torch.Tensor:
    return torch.from_numpy(images(count, 7))


def conv() -> nn.Conv2d:
    """Return a layer that changes nothing."""
    layer = nn.Conv2d(1, 1, 1)
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def learn(model: nn.Module, steps: int = 2) -> None:
    """Train in place, with batch-norm statistics as they are."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    optimizer = torch.optim.SGD(model.parameters(), 1e-4, momentum=0.9)
    for step in range(steps):
        optimizer.zero_grad()
        labels = torch.arange(8) % CLASSES
        nn.functional.cross_entropy(model(some(8) + step), labels).backward()
        optimizer.step()


def layers_of(model: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    kinds = (nn.Conv2d, nn.Linear)
    return {name: one for name, one in model.named_modules() if isinstance(one, kinds)}


def codes_in(model: onnx.ModelProto, weight: str, shape: torch.Size, bits: int) -> np.ndarray:
    (codes,) = (one for one in model.graph.initializer if one.name == f"{weight}_codes")
    stored = numpy_helper.to_array(codes)
    if bits in (8, 4):
        return stored.astype(np.int8)
    planes = np.unpackbits(stored[:, :, 0], axis=1, bitorder="little").astype(int)
    worth = np.array([*(2**bit for bit in range(bits - 1)), -(2 ** (bits - 1))])
    return (worth @ planes)[: shape.numel()].reshape(shape)


@LAYOUTS
@pytest.mark.parametrize("network", [RESNET20, MOBILENET], ids=lambda one: one.key)
def test_the_codes_of_training_are_those_of_the_file(key, network, templates, tmp_path):
    layout, model = INTEGER_LAYOUTS[key], random_model(network, 3)
    limit = 2 ** (layout.weight_bits - 1) - 1
    with trained_through(model, layout, some()) as view:
        learn(model)
        shadows = {name: one.weight.detach().clone() for name, one in layers_of(model).items()}
        view.settle()
    save_weights(model, tmp_path / "weights.safetensors")
    template = OnnxRuntime().template(network, CLASSES, templates)
    template.writer(tmp_path / "weights.safetensors", some().numpy()).write(
        SCHEME_OF[key], tmp_path / "model.onnx"
    )
    file = onnx.load(tmp_path / "model.onnx")
    norms = {layer.weight: layer.norm for layer in template.graph.layers}
    for name, shadow in shadows.items():
        seen = fitted_weight(shadow, layout.weight_bits)
        assert torch.equal(layers_of(model)[name].weight, seen)
        assert not torch.equal(shadow, seen)
        rows = seen.flatten(1)
        codes = (rows / (rows.abs().amax(1, keepdim=True) / limit)).round()
        norm = norms[f"{name}.weight"]
        if norm is not None:  # Its gain is in the weights, and may be negative.
            codes *= dict(model.named_parameters())[norm.scale].detach().sign()[:, None]
        got = codes_in(file, f"{name}.weight", seen.shape, layout.weight_bits)
        assert (got.reshape(rows.shape) == codes.numpy()).all(), name


@pytest.mark.parametrize("key", ["w4", "w3", "w2"])
def test_what_an_artifact_of_float_arithmetic_computes_was_seen(key, templates, tmp_path):
    runtime, model, layout = OnnxRuntime(), random_model(RESNET20, 3), INTEGER_LAYOUTS[key]
    with trained_through(model, layout, some(8)) as view:
        learn(model)
        seen = logits_of(model, some()).numpy()
        view.settle()
    settled = logits_of(model, some()).numpy()
    np.testing.assert_allclose(settled, seen, rtol=1e-4, atol=1e-4 * np.abs(seen).max())
    save_weights(model, tmp_path / "weights.safetensors")
    template = runtime.template(RESNET20, CLASSES, templates)
    writer = template.writer(tmp_path / "weights.safetensors", some().numpy())
    writer.write(SCHEME_OF[key], tmp_path / "model.onnx")
    got = runtime.logits(tmp_path / "model.onnx", some().numpy(), threads=1)
    np.testing.assert_allclose(got, seen, rtol=1e-3, atol=1e-4 * np.abs(seen).max())


def test_gradients_pass_the_rounding_as_if_it_were_not_there():
    model = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.Flatten())
    given = some(1)[:, :, :1, :1]
    with trained_through(model, INTEGER_LAYOUTS["w2"], given):
        answer = model(given)
        answer.sum().backward()
    weight = model[0].weight
    torch.testing.assert_close(
        answer, given.flatten(1) @ fitted_weight(weight.detach(), 2).flatten(1).T
    )
    torch.testing.assert_close(weight.grad.flatten(1), given.flatten(1).expand(2, 3))
    assert "forward" not in vars(model[0])


def test_activations_have_grids_of_what_rounded_weights_make_of_the_images():
    model, given = nn.Sequential(conv(), conv()), torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1)
    with trained_through(model, Static(8), given) as view:
        with torch.no_grad():
            model[0].weight.mul_(3)
        assert float(logits_of(model, given).max()) == pytest.approx(2, rel=0.01)  # Cut off.
        view.refresh(1)
        assert float(logits_of(model, given).max()) == pytest.approx(6, rel=0.01)


def test_a_layout_that_nothing_is_known_of_is_refused():
    model = nn.Sequential(nn.Linear(2, 2))
    with (
        pytest.raises(DistilfrontError, match="for the layout fp16"),
        trained_through(model, Float16(), torch.zeros(1, 2)),
    ):
        pass
