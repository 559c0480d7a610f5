"""Which network: what costs are made of."""

import re
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Literal

from spaces.domains import Choice
from spaces.errors import InputError
from spaces.pruned import WHOLE, Pruned
from spaces.settings import Number, Setting, Settings, Word, setting

_KEY = re.compile(
    r"(?P<name>.+)@(?P<width>[^@+/-]+)(\+(?P<stem>\w+))?(/(?P<size>\d+)px)?"
    r"(-c(?P<channels>[\d.e-]+)(x\d+)?(?P<plan>p\w+)?)?(-w(?P<zeros>[\d.e-]+)(?P<sparse>p\w+)?)?"
)
_SIZE = 32
_WIDTHS = ("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "resnet8x4", "resnet32x4")


def has_width(architecture: str) -> bool:
    """Say whether an architecture has a channel multiplier.

    Those of torchvision's that take one, the CIFAR ResNets, and a user's `module:function`, which
    is called with it.
    """
    known = architecture in _WIDTHS or architecture.startswith("cifar_resnet")
    return known or is_users_function(architecture)


def is_users_function(architecture: str) -> bool:
    """Say whether an architecture is a `module:function` of the user's."""
    return ":" in architecture and not architecture.startswith("timm:")


@dataclass(frozen=True)
class Network(Settings):
    """A network without its weights; how many classes it tells apart comes from the data."""

    architecture: str = setting(
        "mobilenet_v2", Setting("architecture", Word(), decides_costs=True, length=0.8)
    )
    """A torchvision or CIFAR name, `timm:NAME` or `module:function`."""
    width: float = setting(
        1.0,
        Setting(
            "width",
            Number(least=0.01, most=4),
            Choice((0.25, 0.5, 0.75, 1.0)),
            lambda known: has_width(known["architecture"]),
            decides_costs=True,
            length=0.8,
        ),
    )
    """Channel multiplier, where the architecture has one."""
    stem: Literal["imagenet", "small"] = setting(
        "imagenet", Setting("stem", Word(("imagenet", "small")), decides_costs=True, length=0.8)
    )
    """`small`: the first convolution has stride 1 and there is no max-pool (small images)."""
    image_size: int = setting(
        _SIZE,
        Setting(
            "image size", Number(least=8, most=1024, whole=True), decides_costs=True, length=0.8
        ),
    )
    """Height and width in pixels of the images that it sees."""
    pruned: Pruned = WHOLE
    """What pruning left of it: no setting, but what a stage makes of a network."""

    def __post_init__(self) -> None:
        if self.width != 1 and not has_width(self.architecture):
            raise InputError(f"{self.architecture} has no width: it must be 1, got {self.width}")
        super().__post_init__()

    def __repr__(self) -> str:
        """Return what makes it, as a model card has it: nothing of pruning that was not done."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        if self.pruned == WHOLE:
            del told["pruned"]
        return f"Network({', '.join(f'{name}={value!r}' for name, value in told.items())})"

    @cached_property
    def key(self) -> str:
        """Short text that tells two networks apart, as in a cost table: `mobilenet_v2@0.5`."""
        stem = "" if self.stem == "imagenet" else f"+{self.stem}"
        size = "" if self.image_size == _SIZE else f"/{self.image_size}px"
        return f"{self.architecture}@{self.width:g}{stem}{size}{self.pruned.key}"

    @property
    def dense(self) -> "Network":
        """The network as it is before any of its weights is zero: of the same graph."""
        whole = replace(self.pruned, weights=0.0) if self.pruned.channels else WHOLE
        return replace(self, pruned=whole)

    @property
    def in_words(self) -> str:
        """As one says it: `mobilenet_v2 x0.5`, `resnet18, small stem, 24 px`."""
        return network_in_words(self.key)


def network_in_words(key: str, *, sized: bool = False) -> str:
    """Return a Network.key as one says it; sized: with the image size though it is the usual one.

    A text that is no such key is returned as it is.
    """
    found = _KEY.fullmatch(key)
    if found is None:
        return key
    name, width, stem, size = found.group("name", "width", "stem", "size")
    channels, plan, zeros, sparse = found.group("channels", "plan", "zeros", "sparse")
    said = name if width == "1" else f"{name} x{width}"
    if stem is not None:
        said += f", {stem} stem"
    if sized or size is not None:
        said += f", {size or _SIZE} px"
    if channels is not None:
        said += f", {float(channels):.0%} of channels pruned{' by plan' if plan else ''}"
    if zeros is not None:
        said += f", {float(zeros):.0%} of weights zero{' by plan' if sparse else ''}"
    return said
