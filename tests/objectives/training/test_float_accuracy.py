import pytest
import torch
from torch import nn

from objectives.data import load_data, resized
from objectives.models import initialised_model
from objectives.training.float_accuracy import (
    fitting_statistics,
    logits_at,
    logits_of,
    re_estimate_statistics,
)
from spaces import DataConfig, Network


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten())


def test_re_estimated_statistics_are_those_of_the_images(network):
    images = torch.randn(200, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    re_estimate_statistics(network, images)
    seen = network[0](images).detach()
    torch.testing.assert_close(network[1].running_mean, seen.mean((0, 2, 3)))
    torch.testing.assert_close(network[1].running_var, seen.var((0, 2, 3)))
    assert network[1].momentum == 0.1
    assert network[2].training


def test_statistics_are_put_back_to_the_bit():
    model = initialised_model(Network("resnet8x4", 0.25), 3, seed=0)
    images = torch.randn(20, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    model(images)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    plain = logits_of(model, images)
    with fitting_statistics(model, images):
        assert not torch.equal(logits_of(model, images), plain)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(logits_of(model, images), plain)
    assert model.training


def test_logits_at_a_size_of_its_own_are_those_of_the_whole_split_resized():
    data = load_data(DataConfig("digits", 16, train_limit=600))
    model = initialised_model(Network("resnet8x4", 0.25), 10, seed=0)
    found = logits_at(model, 32, data.splits["train"].images, data, "cpu")
    assert torch.equal(found, logits_of(model, resized(data.tensor("train", "cpu"), 32)))
