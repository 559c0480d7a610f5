"""What files do layer by layer: times that add up, bytes that add up, losses and histograms."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from torch import nn

from objectives import LayersOfPoint
from objectives.runtimes import examined
from objectives.runtimes.onnx_layers import Examined
from objectives.runtimes.onnx_profile import INTEGER_KERNELS, layer_of, profiles
from objectives.runtimes.onnx_runtime import OnnxRuntime
from spaces import Network, scheme_named
from tests.objectives import made_weights
from tests.objectives.networks import CLASSES, MOBILENET, RESNET20, images, weights_file

SEEN = images(40, 3)
LABELS = np.arange(40) % CLASSES


def looked_at(network: Network, templates: Path, folder: Path) -> Examined:
    weights = weights_file(network, 3, folder)
    return examined(network, CLASSES, templates, weights, SEEN, SEEN, LABELS, ())


@pytest.fixture(scope="module")
def resnet(templates: Path, tmp_path_factory: pytest.TempPathFactory) -> Examined:
    return looked_at(RESNET20, templates, tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def mobilenet(templates: Path, tmp_path_factory: pytest.TempPathFactory) -> Examined:
    return looked_at(MOBILENET, templates, tmp_path_factory.mktemp("weights"))


def figures(looked: Examined, scheme: str) -> LayersOfPoint:
    return looked.layers(7, scheme_named(scheme), "a machine")


def assert_adds_up(found: LayersOfPoint, looked: Examined, folder: Path) -> None:
    """Kernels take most of a call and no more than it; tensors and graph are the file."""
    assert -1e-6 < found.between_us.before < 0.5 * found.us.before
    assert -1e-6 < found.between_us.after < 0.5 * found.us.after
    for scheme, which in (("fp32", "before"), (found.scheme, "after")):
        file = folder / f"{which}.onnx"
        looked.writer.write(scheme_named(scheme), file)
        parts = [each.bytes for each in found.layers] + [found.other_bytes, found.graph_bytes]
        assert sum(getattr(part, which) for part in parts) == file.stat().st_size
        assert getattr(found.graph_bytes, which) > 0


def test_a_static_file_multiplies_integers_in_every_layer(resnet: Examined, tmp_path: Path) -> None:
    found = figures(resnet, "int8_static+percentile_99.9")
    assert_adds_up(found, resnet, tmp_path)
    assert len(found.layers) == 22
    assert [layer.name for layer in found.layers][:2] == ["conv1", "layer1.0.conv1"]
    assert (found.layers[-1].name, found.layers[-1].operator) == ("fc", "Gemm")
    for layer in found.layers:
        assert (layer.runs_in, layer.why_floats) == ("integers", "")
        assert min(layer.us.before, layer.us.after) >= 0
        # Codes of a byte, with scales, zero points and a bias for each output channel.
        assert layer.bytes.after < layer.bytes.before / 2
        assert layer.loss is not None
        assert layer.loss.kl_nats >= 0
    assert sum(layer.us.before for layer in found.layers) > 0.7 * found.us.before
    assert {"QLinearAdd", "QuantizeLinear"} <= {each.name for each in found.others}
    added = next(each for each in found.others if each.name == "QLinearAdd")
    assert (added.kernels.before, added.kernels.after) == (0, 9)
    assert found.images == 40


def test_histograms_show_what_an_observer_cuts_off(resnet: Examined) -> None:
    cut = figures(resnet, "int8_static+percentile_99.9").histograms
    whole = figures(resnet, "int8_static").histograms
    assert cut[0].name == "into conv1"
    assert sum(cut[0].counts) == SEEN.size
    assert cut[0].low == pytest.approx(float(SEEN.min()))
    assert all(0 <= one.cut <= 0.0011 for one in cut)
    assert any(one.cut > 0.0004 for one in cut)
    assert all(one.cut == 0 for one in whole)
    assert len(cut) == len(whole) > 22
    ends = [(one.kept_high - one.kept_low, one.high - one.low) for one in cut]
    assert all(kept < 1.02 * seen for kept, seen in ends)


@pytest.mark.parametrize(
    ("scheme", "words"),
    [
        ("int8_dynamic", "the scheme rounds linear layers alone"),
        ("int4_weight_only", "the scheme makes the file smaller and computes in floats"),
        ("fp16", "the scheme makes the file smaller and computes in floats"),
    ],
)
def test_layers_that_stay_in_floats_say_why(
    scheme: str, words: str, mobilenet: Examined, tmp_path: Path
) -> None:
    found = figures(mobilenet, scheme)
    assert_adds_up(found, mobilenet, tmp_path)
    convolutions = [layer for layer in found.layers if layer.operator == "Conv"]
    assert {(layer.runs_in, layer.why_floats) for layer in convolutions} == {("floats", words)}
    head = found.layers[-1]
    assert head.runs_in == ("integers" if scheme == "int8_dynamic" else "floats")
    rounded = {layer.name for layer in found.layers if layer.loss is not None}
    expected = {
        "int8_dynamic": {head.name},
        "int4_weight_only": {layer.name for layer in found.layers},
        "fp16": set(),
    }
    assert rounded == expected[scheme]
    assert found.images == (0 if scheme == "fp16" else 40)
    assert found.histograms == ()


@pytest.mark.parametrize("make", made_weights.ALL, ids=lambda make: make.__name__)
@pytest.mark.parametrize("scheme", ["fp32", "int8_static", "int8_dynamic"])
@pytest.mark.long
def test_every_kernel_that_multiplies_weights_belongs_to_a_layer(
    make: Callable[[int], nn.Module], scheme: str, templates: Path, tmp_path: Path
) -> None:
    network = Network(f"{make.__module__}:{make.__name__}", image_size=made_weights.IMAGE_SIZE)
    template = OnnxRuntime().template(network, CLASSES, templates)
    writer = template.writer(weights_file(network, 3, tmp_path), SEEN)
    content: onnx.ModelProto = writer.content(scheme_named(scheme))
    (found,) = profiles([content.SerializeToString()], SEEN)
    weighted = [
        kernel
        for kernel in found.kernels
        if kernel.op in INTEGER_KERNELS | {"Conv", "FusedConv", "Gemm", "FusedGemm"}
    ]
    owners = [layer_of(kernel, template.graph) for kernel in weighted]
    assert None not in owners
    # One that reads positions, not the image, is computed at load.
    constant = {"Conv_1"} if make is made_weights.two_heads else set()
    assert set(owners) == {layer.node for layer in template.graph.layers} - constant
    assert len(owners) == len(set(owners))
