"""Full fine-tuning."""

from typing import ClassVar

from torch import nn

from objectives.training.adapters.adapter import Adaptation


class Full(Adaptation):
    """Every weight is trained on, as if the stage before had gone on with another schedule."""

    freezes_statistics: ClassVar[bool] = False

    def attach(self, model: nn.Module, image_size: int) -> nn.Module:  # noqa: ARG002 - none matters
        """Return `model` as it is."""
        return model
