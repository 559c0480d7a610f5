"""From an architecture's name to a network."""

from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torchvision import models as torchvision_models

from objectives.models.cifar_resnet import CIFAR_RESNETS, CifarResNet
from objectives.models.outputs import behave_as_ours
from objectives.models.pruning import cut_channels
from objectives.models.users_code import made_by_user, place_and_words
from objectives.models.zeros import zero_smallest
from spaces import InputError, Network, UnknownNameError

_EXTRA_ARGUMENTS = {
    # One output tensor as every other network has, and no warning about a slow initialisation.
    "googlenet": {"aux_logits": False, "init_weights": False},
    "inception_v3": {"aux_logits": False, "init_weights": False},
}


def known_models() -> list[str]:
    """Return the names `build_model` knows beside `timm:NAME` and `module:function`."""
    return [*CIFAR_RESNETS, *torchvision_models.list_models(module=torchvision_models)]


def build_model(network: Network, classes: int) -> nn.Module:
    """Return the network with `classes` outputs, in training mode, weights from the global RNG.

    Of a pruned one the first channels of every layer are gone, or its smallest weights are zero:
    which ones is a matter of weights.
    A user's `module:function` is called with `classes=`, and with `width=` when it is not 1. Where
    a network returns more than logits, they alone come out. Raises UnknownNameError for a name
    that nobody knows, and InputError when the network has no such width or stem, or cannot be
    pruned.
    """
    if not network.pruned.channels:
        model = _whole(network, classes)
        zero_smallest(model, network.pruned, network.image_size)
        return model
    with torch.inference_mode(mode=False):  # What hangs together is read from gradients.
        model = _whole(network, classes)
        cut_channels(model, network.pruned, network.image_size)
    return model


def _whole(network: Network, classes: int) -> nn.Module:
    name = network.architecture
    if name in CIFAR_RESNETS:  # built for small images: there is no other stem
        return CifarResNet(CIFAR_RESNETS[name], classes, network.width)
    if name.startswith("timm:"):
        model = _timm_model(name.removeprefix("timm:"), classes)
    elif ":" in name:
        model = _users_model(network, classes)
    else:
        model = _torchvision_model(network, classes)
    if network.stem == "small":
        _make_stem_small(model, network)
    if any(map(is_lazy, (*model.parameters(), *model.buffers()))):
        _settle_shapes(model, network.image_size)
    if ":" in name:
        behave_as_ours(model, classes)
    return model


def initialised_model(network: Network, classes: int, seed: int) -> nn.Module:
    """Return `build_model`'s network with weights drawn from `seed`; the global RNG is put back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_model(network, classes)


def _torchvision_model(network: Network, classes: int) -> nn.Module:
    name = network.architecture
    if name not in known_models():
        known = [*known_models(), "timm:NAME", "module:function"]
        raise UnknownNameError("architecture", name, known)
    arguments: dict[str, Any] = dict(_EXTRA_ARGUMENTS.get(name, {}))
    if network.width != 1.0:
        arguments["width_mult"] = network.width
    model: nn.Module = torchvision_models.get_model(
        name, weights=None, num_classes=classes, **arguments
    )
    return model


def _timm_model(name: str, classes: int) -> nn.Module:
    try:
        import timm
    except ModuleNotFoundError as error:
        raise InputError(
            f"architecture timm:{name} needs timm, which is not installed: "
            "pip install 'distilfront[timm]'"
        ) from error
    if not timm.is_model(name):
        close = timm.list_models(f"*{name}*")[:10] or timm.list_models()[:10]
        raise UnknownNameError("timm architecture", name, [*close, "…"])
    model: nn.Module = timm.create_model(name, pretrained=False, num_classes=classes)
    return model


def _users_model(network: Network, classes: int) -> nn.Module:
    name = network.architecture
    model = made_by_user(name, network.width, classes)
    if not isinstance(model, nn.Module):
        raise InputError(
            f"architecture {name} must return a torch.nn.Module, got {type(model).__name__}"
        )
    return model.train()


def _settle_shapes(model: nn.Module, image_size: int) -> None:
    """Show one image to a network with layers that wait for it to know their shapes."""
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, 3, image_size, image_size))
    except Exception as error:
        raise InputError(
            f"cannot take images of {image_size} px: {place_and_words(error)}"
        ) from error
    model.train()


def _make_stem_small(model: nn.Module, network: Network) -> None:
    """Let the first convolution keep the image's size, and drop the max-pool where there is one."""
    if isinstance(model, torchvision_models.ResNet):
        channels = model.conv1.out_channels
        model.conv1 = nn.Conv2d(3, channels, 3, 1, 1, bias=False)
        nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
        model.maxpool = nn.Identity()
        return
    first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    if first is None or first.in_channels != 3 or first.kernel_size != (3, 3):
        raise InputError(
            f"{network.architecture} has no stem that can be made small: its first convolution "
            "must be 3x3 on 3 channels; use stem imagenet"
        )
    first.stride = (1, 1)
