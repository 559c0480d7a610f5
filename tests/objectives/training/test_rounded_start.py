"""What training through a layout begins with: the rounding that keeps what layers give."""

import pytest
import torch
from torch import Tensor, nn

from objectives.models import save_weights
from objectives.quantization import fitted_weight
from objectives.runtimes.onnx_runtime import OnnxRuntime
from objectives.training import logits_of, trained_through
from spaces import INTEGER_LAYOUTS, SCHEMES, Network, scheme_named
from tests.objectives.networks import CLASSES, MOBILENET, images, random_model

RESNET8 = Network("resnet8x4", 0.25)
NAME_OF = {one.layout.key: one.name for one in SCHEMES.values()}


def some(count: int = 48) -> Tensor:
    return torch.from_numpy(images(count, 7))


def missed(got: Tensor, exact: Tensor) -> float:
    """Return the squared error as a share of what there is."""
    return float((got - exact).square().sum() / exact.square().sum())


@pytest.mark.parametrize(("network", "key"), [(RESNET8, "w4a8"), (MOBILENET, "w3")])
def test_it_is_as_near_to_the_float_network_as_the_file_of_the_same_rounding(
    key, network, templates, tmp_path
):
    model, runtime = random_model(network, 3), OnnxRuntime()
    save_weights(model, tmp_path / "weights.safetensors")
    exact = logits_of(model, some())
    writer = runtime.template(network, CLASSES, templates).writer(
        tmp_path / "weights.safetensors", some().numpy()
    )
    writer.write(scheme_named(f"{NAME_OF[key]}+refined+bias_corrected"), tmp_path / "model.onnx")
    of_file = torch.from_numpy(runtime.logits(tmp_path / "model.onnx", some().numpy(), threads=1))
    with trained_through(model, INTEGER_LAYOUTS[key], some()) as view:
        nearest = logits_of(model, some())
        view.begin()
        view.refresh(1)
        begun = logits_of(model, some())
    assert missed(begun, exact) < 0.7 * missed(nearest, exact)
    assert missed(begun, exact) < 1.3 * missed(of_file, exact)


def test_weights_lie_on_grids_and_the_network_is_otherwise_as_it_was():
    model = random_model(RESNET8, 3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with trained_through(model, INTEGER_LAYOUTS["w2"], some()) as view:
        view.begin()
        assert all("forward" in vars(one) for one in model.modules() if isinstance(one, nn.Conv2d))
    assert not any("forward" in vars(one) for one in model.modules())
    for name, value in model.state_dict().items():
        if value.ndim > 1:
            torch.testing.assert_close(fitted_weight(value, 2), value, rtol=1e-5, atol=1e-7)
        else:  # Means are made up for by biases, and statistics stay.
            assert name.endswith("bias") or torch.equal(value, before[name]), name


@pytest.mark.parametrize("norm", [None, nn.BatchNorm2d(4), nn.BatchNorm2d(4, affine=False)])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_means_are_those_of_the_float_network_where_something_can_shift_them(bias, norm):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers: list[nn.Module] = [nn.Conv2d(3, 4, 3, bias=bias)]
        if norm is not None:
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
            if norm.affine:
                nn.init.normal_(norm.weight)
            layers.append(norm)
        model, given = nn.Sequential(*layers).eval(), torch.rand(8, 3, 6, 6)
    exact = model(given).detach().mean((0, 2, 3))
    with trained_through(model, INTEGER_LAYOUTS["w2"], given) as view:
        view.begin()
        got = model(given).detach().mean((0, 2, 3))
    same = torch.allclose(got, exact, atol=1e-4)
    assert same == (bias or (norm is not None and norm.affine))
