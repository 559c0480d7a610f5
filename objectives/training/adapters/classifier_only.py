"""Training of the classifier alone."""

from torch import nn

from objectives.training.adapters.adapter import Adaptation
from objectives.training.layers import classifier_input
from objectives.training.taps import INPUT


class ClassifierOnly(Adaptation):
    """Weight and bias of the layer that gives the logits are trained on, and nothing else."""

    def check(self, model: nn.Module, image_size: int) -> None:
        """Raise InputError where no linear layer or convolution gives the logits."""
        classifier_input(model, image_size)

    def attach(self, model: nn.Module, image_size: int) -> nn.Module:
        """Return `model`, frozen but for that layer."""
        layer = model.get_submodule(classifier_input(model, image_size).removesuffix(INPUT))
        model.requires_grad_(requires_grad=False)
        layer.requires_grad_(requires_grad=True)
        return model
