"""Where a network looks: Grad-CAM, by captum."""

import torch
from torch import Tensor, nn

from objectives.training.float_accuracy import evaluating
from objectives.training.layers import map_ends
from objectives.training.taps import tapping
from spaces import InputError, in_one_line

_LEAST_SIDE = 4
"""Of maps that say where something is; smaller ones are taken where there are no others."""


def activation_maps(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits [n, classes] of images [n, 3, h, w], and where each class was seen.

    The second are maps [n, side, side] in [0, 1], relative to each map's largest value: ReLU of
    the sum over channels k of a_k A_k, A being the last layer's maps of 4 x 4 or more and a_k the
    mean over A_k of the gradient of the predicted class's logit (Selvaraju et al. 2017, eq. 1 and
    2). All 0 where nothing speaks for the class. Raises InputError where captum is not installed,
    or the network has no maps, or none with a gradient.
    """
    layer_grad_cam = captum_grad_cam()
    with evaluating(network):
        with torch.no_grad():
            logits = network(images)
        layer = network.get_submodule(_last_layer(network, images[:1]))
        try:
            maps: Tensor = layer_grad_cam(network, layer).attribute(
                images, target=logits.argmax(1), relu_attributions=True
            )
        except (RuntimeError, AssertionError) as error:  # A user's network may do what it likes.
            words = f"has maps that its logits cannot be traced back to: {in_one_line(error)}"
            raise InputError(words) from error
    maps = maps.detach().squeeze(1)
    return logits, maps / maps.amax((1, 2), keepdim=True).clamp_min(torch.finfo().tiny)


def captum_grad_cam() -> type:
    """Return captum's LayerGradCam; raises InputError where captum is not installed."""
    try:
        from captum.attr import LayerGradCam
    except ModuleNotFoundError as error:
        raise InputError(
            "needs captum for Grad-CAM, which is not installed: pip install 'distilfront[gradcam]'"
        ) from error
    found: type = LayerGradCam
    return found


def _last_layer(network: nn.Module, image: Tensor) -> str:
    try:
        ends = map_ends(network, image.shape[-1])
    except InputError as error:
        raise InputError("has no feature maps as far as its classifier to show") from error
    with tapping(network, ends) as maps, torch.no_grad():
        network(image)
    telling = [name for name in ends if maps[name].shape[-1] >= _LEAST_SIDE]
    return (telling or ends)[-1]
