"""Small networks as users bring them, of every kind that a preflight has to tell apart."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from objectives import trust_modules

trust_modules([__name__])


class Plain(nn.Module):
    """What the others vary."""

    def __init__(self, classes, channels=3):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 8, 3, 2, 1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.fc = nn.Linear(8, classes)

    def forward(self, x):
        return self.fc(self.body(x))


def plain(classes):
    return Plain(classes)


def separable(classes):
    """A convolution of each kind that adapters tell apart, and a classifier."""
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.Conv2d(8, 12, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU()),
        *(nn.Conv2d(12, 12, 3, 1, 2, dilation=2, groups=4), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, classes)),
    )


class Pair(Plain):
    def forward(self, x):
        features = self.body(x)
        return self.fc(features), features


def pair(classes):
    return Pair(classes)


class InTraining(Plain):
    """A tuple in training alone, as distilled DeiT."""

    def forward(self, x):
        logits = super().forward(x)
        return (logits, logits) if self.training else logits


def in_training(classes):
    return InTraining(classes)


class Named(Plain):
    def forward(self, x):
        features = self.body(x)
        return OrderedDict(features=features, logits=self.fc(features))


def named(classes):
    return Named(classes)


@dataclass
class Output:
    loss: Tensor | None
    logits: Tensor


class AsDataclass(Plain):
    def forward(self, x):
        return Output(None, super().forward(x))


def as_dataclass(classes):
    return AsDataclass(classes)


class Scores(NamedTuple):
    scores: Tensor
    aux: Tensor


class AsNamedTuple(Plain):
    def forward(self, x):
        logits = super().forward(x)
        return Scores(logits, logits * 2)


def as_named_tuple(classes):
    return AsNamedTuple(classes)


class FeaturesFirst(Plain):
    def forward(self, x):
        features = self.body(x)
        return features, self.fc(features)


def features_first(classes):
    return FeaturesFirst(classes)


def grey(classes):
    return Plain(classes, channels=1)


def wrong_head(classes):  # noqa: ARG001 - as it is called
    return Plain(1000)


def convolutional(classes):
    """No linear layer: the classes are channels."""
    body = (nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, classes, 1))
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Scales(nn.Module):
    """No layer at all: a scale and a shift a class of the image's mean."""

    def __init__(self, classes):
        super().__init__()
        self.scale, self.shift = (nn.Parameter(torch.randn(classes)) for _ in range(2))

    def forward(self, x):
        return x.mean((1, 2, 3))[:, None] * self.scale + self.shift


def scales(classes):
    return Scales(classes)


def lazy(classes):
    return nn.Sequential(
        nn.LazyConv2d(8, 3, 2, 1), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(classes)
    )


class Tied(nn.Module):
    """A block under two names, and its bias under a third."""

    def __init__(self, classes):
        super().__init__()
        self.stem, block = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1)
        self.a = self.b = block
        self.c = nn.Conv2d(8, 8, 1)
        self.c.bias = block.bias
        self.fc = nn.Linear(8, classes)

    def forward(self, x):
        x = self.b(self.a(self.stem(x).relu()).relu()).relu()
        return self.fc(self.c(x).relu().mean((2, 3)))


def tied(classes):
    return Tied(classes)


class Viewing(nn.Module):
    """Flattens by view, as tutorials do, which the layout of training does not allow."""

    def __init__(self, classes, side=8):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, 2, 1), nn.Linear(4 * side * side, classes)

    def forward(self, x):
        return self.fc(self.conv(x).view(-1, self.fc.in_features))


def viewing(classes):
    return Viewing(classes)


def of_another_size(classes):
    return Viewing(classes, side=9)


def half(classes):
    return Plain(classes).half()


class Unsaved(Plain):
    def __init__(self, classes):
        super().__init__(classes)
        self.projection = torch.randn(8, 8)

    def forward(self, x):
        return self.fc(self.body(x) @ self.projection)


def unsaved(classes):
    return Unsaved(classes)


def frozen(classes):
    return Plain(classes).requires_grad_(False)


ONE = Plain(10)


def the_same(classes):  # noqa: ARG001 - as it is called
    return ONE


def raises(classes):  # noqa: ARG001 - as it is called
    raise ValueError("no pretrained file in /models")


def raises_nothing_said(classes):  # noqa: ARG001 - as it is called
    raise RuntimeError


def leaves(classes):  # noqa: ARG001 - as it is called
    raise SystemExit("usage: networks.py CHECKPOINT")


def type_error(classes):  # noqa: ARG001 - as it is called
    return nn.Conv2d(3, 8)


def of_a_width(classes, width=1.0):
    if width < 0.5:
        raise ValueError(f"8 heads do not divide {width:g} of the channels")
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(3 * 16 * 16, round(32 * width)),
        nn.Linear(round(32 * width), classes),
    )


class Deciding(Plain):
    """What it computes depends on the values that it sees: no one graph."""

    def forward(self, x):
        x = self.body(x)
        return self.fc(x if x.sum() > 0 else -x)


def unexportable(classes):
    return Deciding(classes)


class Listing(Plain):
    def forward(self, x):
        x = self.body(x)
        return self.fc(torch.stack([row for row in x if row.max() > -1]))


def unexportable_too(classes):
    return Listing(classes)


class MeanOfAll(nn.Module):
    def forward(self, x):
        return x.mean((1, 2, 3))


class TwoRows(nn.Module):
    def forward(self, x):
        return torch.cat([x, x]).mean((2, 3))


class OddInside(Plain):
    """Inner layers give no row an image."""

    def __init__(self, classes):
        super().__init__(classes)
        self.pooled, self.mixed = MeanOfAll(), TwoRows()

    def forward(self, x):
        return super().forward(x) + self.pooled(x)[:, None] + self.mixed(x).mean()


def odd_inside(classes):
    return OddInside(classes)
