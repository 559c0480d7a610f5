"""What a method of adapting a network is to the stage that trains it."""

from pathlib import Path
from typing import ClassVar

from torch import nn

from spaces import Adapt


class Adaptation:
    """How a network is made ready for adapting, and what becomes of it."""

    freezes_statistics: ClassVar[bool] = True
    """Whether batch-norm statistics stay as they are, being no part of what is learned."""

    def __init__(self, settings: Adapt) -> None:
        self.settings = settings

    def check(self, model: nn.Module, image_size: int) -> None:
        """Raise InputError unless the method can adapt a network that sees such images [px]."""

    def attach(self, model: nn.Module, image_size: int) -> nn.Module:
        """Return `model`, or a wrapper of it, of which only what is to learn requires gradients.

        What is fresh is drawn from the global RNG. Raises InputError as `check` does.
        """
        raise NotImplementedError

    def save(self, adapted: nn.Module, folder: Path) -> None:
        """Write what the stage leaves beside the weights, before `merge`; equal bytes if equal."""
        raise NotImplementedError

    def merge(self, adapted: nn.Module) -> nn.Module:
        """Return the network as it was named before, with what was learned in its weights."""
        return adapted
