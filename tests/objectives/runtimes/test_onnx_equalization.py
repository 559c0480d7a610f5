"""Equal ranges on both sides of a tensor: the same network, and weights that one scale suits."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from objectives.models import save_weights
from objectives.quantization import equal_ranges
from objectives.runtimes.onnx_runtime import OnnxRuntime
from objectives.runtimes.onnx_writer import OnnxArtifactWriter
from spaces import Network, scheme_named
from tests.objectives.networks import CLASSES, MOBILENET, RESNET20, images, random_model

SEEN, UNSEEN = images(32, 3), images(64, 4)


def test_ranges_become_equal_but_for_what_is_bounded() -> None:
    random = np.random.default_rng(0)
    first = random.standard_normal((6, 3, 3, 3)).astype(np.float32)
    second = random.standard_normal((4, 3, 1, 1)).astype(np.float32)
    first[2], second[:2, 1] = 0, 0
    least = np.zeros(6, np.float32)
    least[5] = 10
    scale = equal_ranges(first, second, 2, least)
    given = np.abs(first).reshape(6, -1).max(1) / scale
    read = np.abs(second).reshape(2, 2, 3).max(1).reshape(6) * scale
    for channel in (0, 3, 4):
        assert given[channel] == pytest.approx(read[channel], rel=1e-5)
    assert scale[1] == scale[2] == 1
    assert scale[5] == 10


def test_a_channel_that_has_decayed_stays_as_it_is() -> None:
    first, second = np.ones((3, 1), np.float32), np.ones((1, 3), np.float32)
    first[1], second[0, 2] = 1e-12, 1e-45
    scale = equal_ranges(first, second, 1, np.zeros(3, np.float32))
    np.testing.assert_array_equal(scale, np.ones(3))


def uneven(network: Network, folder: Path) -> Path:
    """Return weights whose channels differ much: a layer's large ones are read by small weights."""
    model = random_model(network, 3)
    torch.manual_seed(5)
    norms = [one for one in model.modules() if isinstance(one, nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.weight.mul_(torch.exp(torch.randn(len(norm.weight)) - 0.5))
    save_weights(model, folder / "uneven.safetensors")
    return folder / "uneven.safetensors"


@pytest.mark.parametrize("network", [RESNET20, MOBILENET], ids=str)
def test_it_is_the_same_network_and_loses_less_with_a_scale_a_layer(
    network: Network, templates: Path, tmp_path: Path
) -> None:
    template = OnnxRuntime().template(network, CLASSES, templates)
    writer: OnnxArtifactWriter = template.writer(uneven(network, tmp_path), SEEN)

    def logits(name: str, some: np.ndarray) -> np.ndarray:
        path = tmp_path / "model.onnx"
        writer.write(scheme_named(name), path)
        return OnnxRuntime().logits(path, some, threads=1)

    exact, unseen = logits("fp32", SEEN), logits("fp32", UNSEEN)
    same = [logits(f"int8_weight_only{word}", SEEN) for word in ("", "+equalized")]
    largest = np.abs(exact).max()
    # Eight bits a weight: were it another network, it would differ by more than they do.
    assert np.abs(same[1] - exact).max() < 2 * np.abs(same[0] - exact).max() + 1e-3 * largest
    errors = [
        float(np.square(logits(name, UNSEEN) - unseen).mean())
        for name in ("int8_static_per_tensor", "int8_static_per_tensor+equalized")
    ]
    assert errors[1] < errors[0]
