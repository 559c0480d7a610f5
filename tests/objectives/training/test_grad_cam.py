"""Grad-CAM against its formula, worked out by hand and by torch's own gradients."""

import pytest
import torch
from torch import nn

from objectives.models import initialised_model
from objectives.training.grad_cam import activation_maps
from spaces import InputError, Network

captum = pytest.importorskip("captum")


class Corners(nn.Module):
    """Two maps, of pixels above 0 and below; each class is the mean of one, times a weight."""

    def __init__(self):
        super().__init__()
        self.maps = nn.Conv2d(3, 2, 1, bias=False)
        self.maps.weight.data = torch.tensor([[1.0, 0, 0], [-1.0, 0, 0]]).view(2, 3, 1, 1)
        self.classify = nn.Linear(2, 2, bias=False)
        self.classify.weight.data = torch.tensor([[2.0, 0], [0, 3.0]])

    def forward(self, images):
        return self.classify(torch.relu(self.maps(images)).mean((2, 3)))


def test_the_map_of_a_network_by_hand():
    images = torch.zeros(2, 3, 8, 8)
    images[0, 0, 1, 2], images[0, 0, 5, 5] = 4.0, 1.0
    images[1, 0, 7, 7], images[1, 0, 0, 0] = -2.0, 1.0
    logits, maps = activation_maps(Corners(), images)
    torch.testing.assert_close(logits, torch.tensor([[10 / 64, 0], [2 / 64, 6 / 64]]))
    # The gradient of a class is spread over where its map is above 0 and counts alike for all of
    # the map, so what is shown is the map itself over its largest value.
    expected = torch.zeros(2, 8, 8)
    expected[0, 1, 2], expected[0, 5, 5], expected[1, 7, 7] = 1.0, 0.25, 1.0
    torch.testing.assert_close(maps, expected)


@pytest.mark.parametrize(
    ("network", "layer"),
    [
        (Network("cifar_resnet20", 0.5, image_size=16), "layer3"),
        (Network("mobilenet_v2", 0.25), "features.6"),
        (Network("densenet121"), "features.denseblock2"),  # What follows overwrites its maps.
    ],
)
def test_maps_are_those_of_the_formula(network, layer):
    model = initialised_model(network, 5, seed=0)
    draws = torch.Generator().manual_seed(1)
    images = torch.randn(3, 3, network.image_size, network.image_size, generator=draws)
    logits, maps = activation_maps(model, images)
    assert maps.shape == (3, 4, 4)
    assert model.training
    assert all(weight.grad is None for weight in model.parameters())
    kept = []
    model.get_submodule(layer).register_forward_hook(
        lambda *call: kept.append(call[-1].clone()) or kept[0]
    )
    said = model.eval()(images)
    torch.testing.assert_close(said.detach(), logits)
    (gradient,) = torch.autograd.grad(said.max(1).values.sum(), kept)
    raw = torch.relu((gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1)).detach()
    torch.testing.assert_close(maps, raw / raw.amax((1, 2), keepdim=True))


class Tokens(nn.Module):
    """Patches in a row, as transformers have them."""

    def __init__(self):
        super().__init__()
        self.patches, self.mix = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 8)
        self.classify = nn.Linear(8, 2)

    def forward(self, images):
        return self.classify(self.mix(self.patches(images).flatten(2).transpose(1, 2)).mean(1))


def test_a_network_without_maps_is_refused():
    with pytest.raises(InputError, match="has no feature maps as far as its classifier to show"):
        activation_maps(Tokens(), torch.zeros(1, 3, 16, 16))


class Frozen(Corners):
    """Its maps are made without gradients, as a backbone that is not to learn."""

    def forward(self, images):
        with torch.no_grad():
            maps = self.maps(images)
        return self.classify(torch.relu(maps).mean((2, 3)))


def test_maps_without_gradients_are_refused():
    with pytest.raises(InputError, match="has maps that its logits cannot be traced back to"):
        activation_maps(Frozen(), torch.ones(1, 3, 8, 8))


def test_nothing_speaks_for_a_class_by_maps_of_zeros():
    _, maps = activation_maps(Corners(), torch.zeros(1, 3, 8, 8))
    assert maps.abs().sum() == 0
