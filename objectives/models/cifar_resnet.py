"""The CIFAR ResNets (He 2015, section 4.2), under the state-dict keys of public checkpoints.

Blocks change shape by a 1x1 convolution with batch norm (option B), as the published checkpoints
of both pytorch-cifar-models and RepDistiller do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import Tensor, nn


@dataclass(frozen=True)
class CifarShape:
    """Depth and channels of one CIFAR ResNet."""

    depth: int
    """Layers with weights, 6n + 2."""
    stem: int
    """Channels of the first convolution."""
    stages: tuple[int, int, int]
    """Channels of the three groups of blocks."""


CIFAR_RESNETS: Mapping[str, CifarShape] = MappingProxyType(
    {
        "cifar_resnet20": CifarShape(20, 16, (16, 32, 64)),
        "cifar_resnet32": CifarShape(32, 16, (16, 32, 64)),
        "cifar_resnet44": CifarShape(44, 16, (16, 32, 64)),
        "cifar_resnet56": CifarShape(56, 16, (16, 32, 64)),
        "resnet8x4": CifarShape(8, 32, (64, 128, 256)),
        "resnet32x4": CifarShape(32, 32, (64, 128, 256)),
    }
)


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, channels_in, h, w] to [n, channels, h / stride, w / stride]."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + shortcut)  # type: ignore[no-any-return]


class CifarResNet(nn.Module):
    """Maps images [n, 3, h, w] to logits [n, classes]."""

    def __init__(self, shape: CifarShape, classes: int, width: float = 1.0) -> None:
        super().__init__()
        stem, *stages = (max(1, round(width * c)) for c in (shape.stem, *shape.stages))
        blocks = (shape.depth - 2) // 6
        self.conv1 = nn.Conv2d(3, stem, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _group(stem, stages[0], blocks, stride=1)
        self.layer2 = _group(stages[0], stages[1], blocks, stride=2)
        self.layer3 = _group(stages[1], stages[2], blocks, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(stages[2], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Map images to logits."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(self.avgpool(x).flatten(1))  # type: ignore[no-any-return]


def _group(channels_in: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
    first = _Block(channels_in, channels, stride)
    return nn.Sequential(first, *(_Block(channels, channels, 1) for _ in range(blocks - 1)))
