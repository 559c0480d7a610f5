import itertools
import subprocess
import sys

import pytest
import torch
from torch import nn

from objectives.models import initialised_model
from objectives.models.small_maps import speed_up_small_maps
from spaces import Network


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("groups", [1, 6])
def test_equals_torch_in_values_and_gradients_on_every_small_map(kernel, groups):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    sizes = [(1, 1), (1, 2), (2, 1), (2, 2), (2, 4), (3, 3)]
    cases = itertools.product(sizes, (1, 2), range(kernel), (False, True))
    for (height, width), stride, padding, bias in cases:
        if height + 2 * padding < kernel or width + 2 * padding < kernel:
            continue
        plain = nn.Sequential(nn.Conv2d(6, 6, kernel, stride, padding, groups=groups, bias=bias))
        quick = nn.Sequential(nn.Conv2d(6, 6, kernel, stride, padding, groups=groups, bias=bias))
        quick.load_state_dict(plain.state_dict())
        plain, quick = plain.double(), quick.double()
        speed_up_small_maps(quick)
        assert quick.state_dict().keys() == plain.state_dict().keys()
        x = torch.randn(3, 6, height, width, dtype=torch.float64)
        outcomes = []
        for network in (plain, quick):
            image = x.clone().requires_grad_()
            y = network(image)
            (y * torch.arange(y.numel()).view(y.shape)).sum().backward()
            outcomes.append([y, image.grad, *(weight.grad for weight in network.parameters())])
        for ours, theirs in zip(*outcomes, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18"])
def test_network_trains_as_before(name):
    torch.set_num_threads(1)
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    gradients = []
    for quick in (False, True):
        model = initialised_model(Network(name), 10, seed=0).double()
        if quick:
            speed_up_small_maps(model)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model(x.double()).square().sum().backward()
        gradients.append({key: weight.grad for key, weight in model.named_parameters()})
    assert gradients[0].keys() == gradients[1].keys()
    for key, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][key], gradient, rtol=1e-6, atol=1e-8)


def test_a_very_narrow_network_trains_without_writing_beyond_its_memory():
    # In a process of its own: plain torch ends it with a signal.
    program = """
import torch
from objectives.models import initialised_model
from objectives.models.small_maps import speed_up_small_maps
from spaces import Network
torch.set_num_threads(1)
model = initialised_model(Network("cifar_resnet20", 0.25), 10, seed=0)
speed_up_small_maps(model)
model.to(memory_format=torch.channels_last)
for _ in range(20):
    images = torch.randn(32, 3, 16, 16).to(memory_format=torch.channels_last)
    model(images).square().sum().backward()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
