"""Which norms are folded is read off the graph; a graph that cannot be filled is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from objectives.runtimes import onnx_export
from objectives.runtimes.onnx_layouts import write_model
from objectives.runtimes.onnx_session import open_session
from objectives.runtimes.onnx_template import GraphTemplate
from spaces import Float32, InputError


class PreActivation(nn.Module):
    """Norms before convolutions, one defined out of order; only `second` can take one in."""

    def __init__(self) -> None:
        super().__init__()
        self.after_second = nn.BatchNorm2d(6)
        self.first = nn.Conv2d(3, 6, 3, bias=False)
        self.before = nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 6, 3, bias=True)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.first(x)
        x = self.after_second(self.second(torch.relu(self.before(skip)))) + skip[..., 1:-1, 1:-1]
        return self.head(x.mean((2, 3)))


class SharedNorm(nn.Module):
    """One norm after two convolutions, one convolution used twice, a norm without weights."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, bias=False)
        self.twice = nn.Conv2d(6, 6, 1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.plain = nn.BatchNorm2d(6, affine=False)
        self.head = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        x = self.twice(self.norm(self.twice(x)))
        return self.head(self.plain(x).mean((2, 3)))


class SharedConvolution(nn.Module):
    """One convolution used twice, with a norm of its own each time: none can be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 3, 3, 1, 1), nn.Linear(3, 4)
        self.norms = nn.ModuleList(nn.BatchNorm2d(3) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        for norm in self.norms:
            x = torch.relu(norm(self.conv(x)))
        return self.head(x.mean((2, 3)))


class WrittenOver(nn.Module):
    """Its shortcut reads what a ReLU6 in place has written over."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3)
        self.clip, self.head = nn.ReLU6(inplace=True), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.first(x)
        x = self.second(self.clip(skip)) + skip[..., 1:-1, 1:-1]
        return self.head(x.mean((2, 3)))


class WrittenOnce(WrittenOver):
    """The same without the shortcut: its ReLU6 may write elsewhere."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.clip(self.second(self.clip(self.first(x)))).mean((2, 3)))


def filled(template: GraphTemplate, model: nn.Module, x: Tensor) -> np.ndarray:
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    content = write_model(template.fill(state), Float32(), {}).SerializeToString()
    return open_session(content, threads=1).run(None, {"image": x.numpy()})[0]


@pytest.mark.parametrize(
    ("make", "folded"),
    [
        (PreActivation, {"second.weight"}),
        (SharedNorm, {"stem.weight", "head.0.weight"}),
        (SharedConvolution, set()),
        (WrittenOver, set()),
        (WrittenOnce, set()),
    ],
)
def test_unusual_graphs_fill_like_any(
    make: Callable[[], nn.Module], folded: set[str], tmp_path: Path
):
    template = onnx_export.export_template(make(), 12)
    template.save(tmp_path / "template.onnx")
    template = GraphTemplate.load(tmp_path / "template.onnx")
    assert {layer.weight for layer in template.layers if layer.norm} == folded
    for seed in (2, 3):
        torch.manual_seed(seed)
        model = make().eval()
        onnx_export.randomise(model, seed)
        x = torch.randn(5, 3, 12, 12)
        with torch.inference_mode():
            expected = model(x).numpy()
        np.testing.assert_allclose(filled(template, model, x), expected, rtol=1e-4, atol=1e-5)


class FactoredPosition(nn.Module):
    """A table of positions as a sum of rows and columns: larger than what it is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.rows, self.columns = nn.Parameter(torch.randn(64, 1)), nn.Parameter(torch.randn(64))
        self.head = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(x + (self.rows + self.columns)).mean((2, 3)))


def test_a_constant_larger_than_its_parts_is_not_in_the_file():
    template = onnx_export.export_template(FactoredPosition(), 64)
    model = FactoredPosition().eval()
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    content = write_model(template.fill(state), Float32(), {}).SerializeToString()
    assert len(content) < 64 * 64 * 4
    x = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        np.testing.assert_allclose(filled(template, model, x), model(x).numpy(), rtol=1e-4)


class Branching(nn.Module):
    """Its forward asks a tensor what to do: no graph can be exported."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(x.mean((2, 3)))
        return x if float(x.detach().sum().item()) > 0 else -x


def test_network_that_cannot_be_exported_is_refused_in_one_line():
    with pytest.raises(InputError, match="cannot be exported to ONNX") as caught:
        onnx_export.export_template(Branching(), 12)
    assert "\n" not in str(caught.value)
