"""Which network: the architecture of a teacher or a student."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from spaces.errors import InputError


@dataclass(frozen=True)
class Architecture:
    """A network without its weights; classes and image size come from the data."""

    name: str
    """A torchvision or CIFAR name, `timm:NAME` or `module:function`."""
    width: float = 1.0
    """Channel multiplier, where the architecture has one."""
    stem: Literal["imagenet", "small"] = "imagenet"
    """`small`: the first convolution has stride 1 and there is no max-pool (small images)."""

    def __post_init__(self) -> None:
        if not self.name:
            raise InputError("architecture name must not be empty")
        if not 0 < self.width <= 4:
            raise InputError(f"width must be in (0, 4], got {self.width}")
        if self.stem not in ("imagenet", "small"):
            raise InputError(f"stem must be imagenet or small, got {self.stem!r}")

    @cached_property
    def key(self) -> str:
        """Short text that tells two architectures apart, as in a cost table: `mobilenet_v2@0.5`."""
        stem = "" if self.stem == "imagenet" else f"+{self.stem}"
        return f"{self.name}@{self.width:g}{stem}"
