"""Channels cut out of networks of every family."""

import threading

import pytest
import torch
from torch import nn

from objectives.models import (
    build_model,
    channel_groups,
    channel_removal,
    channels_alone,
    cut_channels,
    prunable,
    unread_channels,
)
from spaces import InputError, Network, Pruned
from tests.objectives import made_weights

HALF = Pruned(0.5)
FAMILIES = [
    Network("cifar_resnet20"),
    Network("resnet8x4", 0.5),
    Network("resnet18", stem="small"),
    Network("mobilenet_v2", 0.5),
    Network("mobilenet_v3_small"),
    Network("alexnet", image_size=64),
    Network("efficientnet_b0"),
    Network("regnet_x_400mf"),
    Network("squeezenet1_0", image_size=64),
    Network("resnext50_32x4d"),
]
"""Residual, depthwise, squeeze-excite, flattened, grouped, concatenated."""


def made(function):
    """One of the networks that tests make."""
    return Network(f"{function.__module__}:{function.__name__}", image_size=32)


PARTLY = [
    made(function)
    for function in (
        made_weights.vit,
        made_weights.attention,
        made_weights.shuffled,
        made_weights.shuffled_anyhow,
    )
]
"""Heads of attention, parameters of no layer, channels that are shuffled."""


def norms(group):
    """How much the first layer's channels weigh."""
    weight = group[0].dep.target.module.weight
    return weight.detach().flatten(1).norm(dim=1)


def shaken(network):
    """The network with statistics that are not all alike."""
    torch.manual_seed(0)
    model = build_model(network, 10)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
        elif isinstance(module, nn.Linear):  # Heads of vision transformers begin with zeros.
            nn.init.normal_(module.weight, 0, module.in_features**-0.5)
            nn.init.ones_(module.bias) if module.bias is not None else None
    return model.eval()


@pytest.mark.parametrize(
    ("network", "most"),
    [*((one, 0.35) for one in FAMILIES), *((one, 0.95) for one in PARTLY)],
    ids=lambda one: getattr(one, "architecture", ""),
)
def test_a_cut_network_computes_what_the_whole_one_does_without_those_channels(network, most):
    size = network.image_size
    model, images = shaken(network), torch.randn(3, 3, size, size)
    whole = sum(each.numel() for each in model.parameters())
    with torch.no_grad():
        for share in (0.4, 1.0):  # In two steps: those of the first are among the second's.
            masks = unread_channels(model, HALF, size, norms, share)
            for name, mask in masks.items():
                model.get_submodule(name).weight.mul_(mask)
        expected = model(images)
        cut_channels(model, HALF, size, norms)
        found = model(images)
    # With batch norm's variance of what it no longer reads, at float's precision.
    assert float((found - expected).abs().max()) <= 1e-4 * float(expected.abs().max())
    assert sum(each.numel() for each in model.parameters()) < most * whole
    built = build_model(Network(network.architecture, network.width, network.stem, size, HALF), 10)
    shapes = {name: tensor.shape for name, tensor in built.state_dict().items()}
    assert shapes == {name: tensor.shape for name, tensor in model.state_dict().items()}


def test_those_that_matter_least_go_and_the_classes_stay():
    model = shaken(Network("cifar_resnet20"))
    block = model.layer1[0]
    weights, scales = block.conv1.weight.detach().clone(), block.bn1.weight.detach().clone()
    kept = weights.flatten(1).norm(dim=1).argsort()[8:].sort().values
    stream = "conv1=0 layer2.0.downsample.0=0 layer3.0.downsample.0=0"  # What blocks add to.
    cut_channels(model, Pruned(0.5, shares=stream), 32, norms)
    assert torch.equal(block.bn1.weight, scales[kept])
    assert torch.equal(block.conv1.weight, weights[kept])
    assert model.fc.weight.shape == (10, 64)


def test_with_attention_the_hidden_layers_of_mlps_go_and_the_rest_stays():
    network = made(made_weights.vit)
    whole, left = build_model(network, 10), build_model(network, 10)
    cut_channels(left, HALF, 32, norms)
    kept, now = (dict(one.named_parameters()) for one in (whole, left))
    changed = {name for name, each in now.items() if each.shape != kept[name].shape}
    blocks = [f"encoder.layers.encoder_layer_{number}.mlp" for number in range(2)]
    first = {f"{block}.0.{what}" for block in blocks for what in ("weight", "bias")}
    assert changed == first | {f"{block}.3.weight" for block in blocks}
    assert left.get_submodule(blocks[0])[0].out_features == 16
    alone = {layer: size for layer, size, _ in channels_alone(whole, 32, norms, (0.5,))}
    assert alone == {f"{block}.0": 32 for block in blocks}


def test_where_nothing_can_go_one_line_says_what_stands_in_the_way():
    model = build_model(made(made_weights.attention_alone), 10)
    words = r"cannot be pruned: heads of attention look at channels by their place \(patch\)$"
    with pytest.raises(InputError, match=words):
        cut_channels(model, HALF, 32)


def test_a_plan_that_names_a_layer_that_stays_whole_is_refused():
    network = made(made_weights.vit)
    layer = "encoder.layers.encoder_layer_0.mlp.3"
    plan = Pruned(0.5, shares=f"encoder.layers.encoder_layer_0.mlp.0=1 {layer}=0.5")
    with pytest.raises(InputError, match=rf"names {layer}, whose channels all stay: heads of"):
        cut_channels(build_model(network, 10), plan, 32)


def test_what_can_go_is_tried_once_for_networks_that_differ_in_weights(monkeypatch):
    network, tried = made(made_weights.shuffled), []

    def tries(model):
        tried.append(model)
        return channel_removal.drawn(model)

    monkeypatch.setattr(prunable, "_KNOWN", {})
    monkeypatch.setattr(prunable, "drawn", tries)
    for most in (HALF, Pruned(0.3)):
        cut_channels(shaken(network), most, 32, norms)
    once = len(tried)
    other = build_model(network, 10)
    other.hidden.stride = (2, 2)
    cut_channels(other, HALF, 32)
    assert len(tried) == 2 * once


@pytest.mark.parametrize("function", [made_weights.convnext, made_weights.two_heads])
def test_norms_over_channels_and_tensors_of_its_own_keep_no_channel(function):
    model = build_model(made(function), 10)
    whole = sum(each.numel() for each in model.parameters())
    cut_channels(model, HALF, 32, norms)
    assert sum(each.numel() for each in model.parameters()) < 0.6 * whole


def test_a_plan_that_names_no_layer_of_the_network_is_refused():
    plan = Pruned(0.5, shares="conv1=0.5 layer1.0.conv2=1")
    with pytest.raises(InputError, match=r"prune\.shares names layer1\.0\.conv2, which leads no"):
        build_model(Network("cifar_resnet20", pruned=plan), 10)


def test_it_is_built_where_gradients_are_off():
    network = Network("resnet8x4", 0.25, pruned=HALF)
    with torch.inference_mode():
        model = build_model(network, 10)
    assert model.conv1.out_channels == build_model(network, 10).conv1.out_channels == 4


@pytest.mark.parametrize("name", ["layer9.conv1", "bn1"])
def test_a_plan_of_zeros_that_names_no_layer_of_the_network_is_refused(name):
    plan = Pruned(weights=0.5, shares=f"conv1=0.5 {name}=1")
    with pytest.raises(InputError, match=rf"prune\.shares names {name}, which has no weights"):
        build_model(Network("cifar_resnet20", pruned=plan), 10)


class Gated(nn.Module):
    """Multiplies all channels by one of them: torch-pruning walked that without an end."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(8, 10)

    def forward(self, images):
        maps = self.conv(images)
        return self.fc((maps * maps[:, 7:8].sigmoid()).mean((2, 3)))


def test_a_walk_without_an_end_is_given_up(monkeypatch):
    monkeypatch.setattr(channel_groups, "_LONGEST_S", 1)
    with pytest.raises(InputError, match="what hangs together is not found in time"):
        cut_channels(Gated(), HALF, 8)


def test_what_is_done_with_one_layers_masks_is_not_timed() -> None:
    layers = channels_alone(shaken(Network("resnet8x4", 0.5)), 32, norms, (0.5,))
    *_, (mask,) = next(layers)
    assert all(not reads.all() for reads in mask.values())
    assert not any(isinstance(each, threading.Timer) for each in threading.enumerate())
