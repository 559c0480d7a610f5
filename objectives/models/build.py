"""From an architecture's name to a network."""

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torchvision import models as torchvision_models

from objectives.models.cifar_resnet import CIFAR_RESNETS, CifarResNet
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

    A user's `module:function` is called with `classes=`, and with `width=` when it is not 1.
    Raises UnknownNameError for a name that nobody knows, and InputError when the network has no
    such width or stem.
    """
    name = network.architecture
    if name in CIFAR_RESNETS:  # built for small images: there is no other stem
        return CifarResNet(CIFAR_RESNETS[name], classes, network.width)
    if name.startswith("timm:"):
        model = _timm_model(name.removeprefix("timm:"), classes)
    elif ":" in name:
        model = _users_model(name, network, classes)
    else:
        model = _torchvision_model(network, classes)
    if network.stem == "small":
        _make_stem_small(model, network)
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


def _users_model(name: str, network: Network, classes: int) -> nn.Module:
    make = users_function(name)
    arguments = {} if network.width == 1.0 else {"width": network.width}
    try:
        model = make(classes=classes, **arguments)
    except TypeError as error:
        raise InputError(
            f"architecture {name} must be callable with classes=…, and width=… when the width is "
            f"not 1: {error}"
        ) from error
    if not isinstance(model, nn.Module):
        raise InputError(
            f"architecture {name} must return a torch.nn.Module, got {type(model).__name__}"
        )
    return model


def users_function(name: str) -> Callable[..., Any]:
    """Return the function that `module:function` names; raises InputError when it is not there."""
    module_name, _, function_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(f"architecture {name}: cannot import {module_name} ({error})") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise InputError(
            f"architecture {name}: module {module_name} has no function {function_name!r}"
        )
    return function  # type: ignore[no-any-return]


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
