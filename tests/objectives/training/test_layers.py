"""Which layers are compared where nobody names one: of every architecture, and unasked."""

import pytest
import torch
from torch import nn
from torchvision.models import VisionTransformer

from objectives.models import initialised_model
from objectives.training import adaptation, seen_through
from objectives.training.layers import classifier_input, map_ends
from objectives.training.taps import tapping
from spaces import ADAPTERS, INTEGER_LAYOUTS, Adapt, InputError, Network
from tests.objectives.models import users_networks

HERE = users_networks.__name__
FOUND = {
    ("cifar_resnet20", "imagenet", 16): (("layer1", "layer2", "layer3"), "fc:input"),
    ("resnet18", "imagenet", 32): (("relu", "layer1", "layer2", "layer3"), "fc:input"),
    ("resnet18", "small", 32): (("layer1", "layer2", "layer3", "layer4"), "fc:input"),
    # Not features.2.conv.0, which has the size of features.1 and is inside what halves it.
    ("mobilenet_v2", "imagenet", 64): (
        ("features.1", "features.3", "features.6", "features.13", "features"),
        "classifier.1:input",
    ),
    (f"{HERE}:tied", "imagenet", 16): (("c",), "fc:input"),
    (f"{HERE}:pair", "imagenet", 16): (("body.2",), "fc:input"),
}


@pytest.mark.parametrize("known", FOUND)
def test_maps_are_taken_where_they_end_and_the_embedding_where_the_classifier_begins(known):
    architecture, stem, size = known
    network = initialised_model(Network(architecture, stem=stem, image_size=size), 10, seed=0)
    assert (map_ends(network, size), classifier_input(network, size)) == FOUND[known]


def test_a_transformer_has_tokens_and_no_maps_but_an_embedding():
    network = VisionTransformer(16, 4, 1, 2, 8, 16, num_classes=10)
    with pytest.raises(InputError, match=r"has no feature maps \[b, c, h, w\] as far as its cl"):
        map_ends(network, 16)
    assert classifier_input(network, 16) == "heads.head:input"


def test_a_network_of_linear_layers_has_no_maps_and_one_that_ends_otherwise_no_classifier():
    network = initialised_model(Network(f"{HERE}:of_a_width", image_size=16), 10, seed=0)
    with pytest.raises(InputError, match="has no feature maps"):
        map_ends(network, 16)
    padded = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 8), nn.ConstantPad1d(1, 0.0))
    with pytest.raises(InputError, match="has no linear layer or convolution that gives its 10"):
        classifier_input(padded, 16)


def test_looking_changes_nothing_and_an_adapter_hides_nothing():
    size = 16
    network = initialised_model(Network("cifar_resnet20", 0.5, image_size=size), 10, seed=0)
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(3)
    state = torch.get_rng_state()
    plain = map_ends(network, size), classifier_input(network, size)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())
    adapted = adaptation(Adapt(rank=2, lora_alpha=4, targets="dense")).attach(network, 32)
    (*_, last), given = map_ends(adapted, size), classifier_input(adapted, size)
    assert last == "base_model.model.layer3"
    with tapping(adapted, ("layer3", last, given)) as taps:
        adapted.eval()(torch.zeros(2, 3, size, size))
    assert taps["layer3"] is taps[last]
    assert torch.equal(taps[given], taps[last].mean((2, 3)))
    assert plain == (("layer1", "layer2", "layer3"), "fc:input")


@pytest.mark.parametrize("layout", ["w3", "w4a8"])
@pytest.mark.parametrize("method", ADAPTERS)
def test_a_network_seen_through_a_layout_has_the_layers_that_it_had(method, layout):
    size, draws = 16, torch.Generator().manual_seed(1)
    network = initialised_model(Network("cifar_resnet20", 0.25, image_size=size), 10, seed=0)
    adapted = adaptation(Adapt(method=method, layout=layout)).attach(network, size)
    images = torch.randn(4, 3, size, size, generator=draws)
    with seen_through(adapted, INTEGER_LAYOUTS[layout], images):
        found = (*map_ends(adapted, size), classifier_input(adapted, size))
    plain = ("layer1", "layer2", "layer3", "fc:input")
    assert tuple(name.removeprefix("base_model.model.") for name in found) == plain
