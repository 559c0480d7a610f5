"""Networks that turn a weight into another before they use it, or use it on tokens."""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torchvision.models import VisionTransformer
from torchvision.models.convnext import CNBlock

from objectives import trust_modules

trust_modules([__name__])

IMAGE_SIZE = 32


class Tokens(nn.Module):
    """The least of a vision transformer: a Linear on [images, tokens, features]."""

    def __init__(self, classes: int, mix: nn.Module) -> None:
        super().__init__()
        self.patch, self.mix, self.head = nn.Conv2d(3, 8, 8, 8), mix, nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.mix(self.patch(x).flatten(2).transpose(1, 2)).mean(1))


class Attention(nn.Module):
    """torch's own, whose one projection is sliced, in a block with positions and two norms."""

    def __init__(self, classes: int, width: int = 16, *, self_attention: bool = True) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 8, 8)
        self.position = nn.Parameter(torch.randn(1, 16, width))
        self.query = None if self_attention else nn.Parameter(torch.randn(1, 1, width))
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.up, self.down = nn.Linear(width, 32), nn.Linear(32, width, bias=False)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2) + self.position
        h = self.norm1(x)
        asks = h if self.query is None else self.query.expand(x.shape[0], -1, -1)
        x = x + self.attention(asks, h, h, need_weights=False)[0]
        x = x + self.down(nn.functional.gelu(self.up(self.norm2(x))))
        return self.head(x.mean(1))


class AttentionAlone(nn.Module):
    """Attention between the patches and the classes, and nothing else."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.patch, self.head = nn.Conv2d(3, 16, 8, 8), nn.Linear(16, classes)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        return self.head(self.attention(x, x, x, need_weights=False)[0].mean(1))


class Shuffled(nn.Module):
    """Channels change places between two convolutions, the first of which has a hidden layer."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.hidden, self.norm = nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16)
        self.mixed, self.after = nn.Conv2d(16, 16, 1), nn.Conv2d(16, 8, 1)
        self.head = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mixed(torch.relu(self.norm(self.hidden(x))))
        halves = x.unflatten(1, (2, 8))
        return self.head(torch.relu(self.after(halves.transpose(1, 2).flatten(1, 2))).mean((2, 3)))


class ShuffledAnyhow(Shuffled):
    """Halves are counted as it runs: with fewer channels it runs, and others change places."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.mixed(torch.relu(self.norm(self.hidden(x))))
        images, channels, height, width = x.shape
        halves = x.view(images, 2, channels // 2, height, width)
        x = halves.transpose(1, 2).reshape(images, channels, height, width)
        return self.head(torch.relu(self.after(x)).mean((2, 3)))


class StandardisedConv(nn.Conv2d):
    """Its weight has mean 0 and variance 1 for each output channel (Qiao 2019)."""

    def forward(self, x: Tensor) -> Tensor:
        rows = self.weight.reshape(1, self.out_channels, -1)
        norm = nn.functional.batch_norm(rows, None, None, training=True, eps=1e-6)
        return self._conv_forward(x, norm.reshape_as(self.weight), self.bias)


class Matrix(nn.Module):
    """A weight [in, out] as users write it, and a bias of their own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = (
            nn.Parameter(torch.randn(width, width)),
            nn.Parameter(torch.randn(width)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.bias + x @ self.weight


class KeepsACopy(nn.Module):
    """Computes a gain when it is told to evaluate, as if its weight did not change any more."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.gain, self.head = nn.Parameter(torch.randn(classes)), nn.Linear(3, classes)

    def train(self, mode: bool = True) -> "KeepsACopy":
        self.kept = self.gain.detach().exp()
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.mean((2, 3))) * self.kept


def keeps_a_copy(classes: int) -> nn.Module:
    return KeepsACopy(classes)


def tokens(classes: int) -> nn.Module:
    return Tokens(classes, nn.Linear(8, 8))


def matrix(classes: int) -> nn.Module:
    return Tokens(classes, Matrix(8))


def weight_norm(classes: int) -> nn.Module:
    return Tokens(classes, parametrizations.weight_norm(nn.Linear(8, 8)))


def spectral_norm(classes: int) -> nn.Module:
    model = Tokens(classes, nn.Linear(8, 8))
    model.patch = parametrizations.spectral_norm(model.patch)
    return model


def attention(classes: int) -> nn.Module:
    return Attention(classes)


def attention_alone(classes: int) -> nn.Module:
    return AttentionAlone(classes)


def shuffled(classes: int) -> nn.Module:
    return Shuffled(classes)


def shuffled_anyhow(classes: int) -> nn.Module:
    return ShuffledAnyhow(classes)


def cross_attention(classes: int) -> nn.Module:
    return Attention(classes, self_attention=False)


def standardised(classes: int) -> nn.Module:
    conv = StandardisedConv(3, 8, 3, 2)
    return nn.Sequential(conv, nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 15 * 15, classes))


class TwoHeads(nn.Module):
    """Two layers that read one tensor, as a distilled transformer's heads do.

    And one that reads no image: it makes the positions of what a table says.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem, self.position = nn.Conv2d(3, 8, 8, 8), nn.Conv2d(2, 8, 1)
        self.table = torch.linspace(-1, 1, 32).reshape(1, 2, 4, 4)
        self.head, self.further = nn.Linear(8, classes), nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x) + self.position(self.table)).mean((2, 3))
        return self.head(x) + self.further(x)


def two_heads(classes: int) -> nn.Module:
    return TwoHeads(classes)


def convnext(classes: int) -> nn.Module:
    """LayerScale, and Linear on [images, h, w, features]."""
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, classes)]
    return nn.Sequential(nn.Conv2d(3, 16, 4, 4), CNBlock(16, 1.0, 0.0), *pool)


def vit(classes: int) -> nn.Module:
    return VisionTransformer(
        image_size=IMAGE_SIZE,
        patch_size=16,
        num_layers=2,
        num_heads=2,
        hidden_dim=16,
        mlp_dim=32,
        num_classes=classes,
    )


ALL = (
    attention,
    weight_norm,
    two_heads,
    convnext,
    tokens,
    matrix,
    spectral_norm,
    cross_attention,
    standardised,
    vit,
)
