"""What a layer loses alone, against files in which it alone is rounded."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from objectives.quantization import Form, Range, activation_grid, on_grid, quantize_weight
from objectives.runtimes.onnx_layouts import write_model
from objectives.runtimes.onnx_runtime import OnnxRuntime
from objectives.runtimes.onnx_sensitivity import float_logits, layers_alone, sensitivities
from objectives.runtimes.onnx_session import open_session
from objectives.runtimes.onnx_template import FilledGraph
from spaces import Float32, Network
from tests.objectives.made_weights import IMAGE_SIZE, attention
from tests.objectives.networks import CLASSES, MOBILENET, RESNET20, images, random_model

SEEN = images(40, 3)
ATTENTION = Network(f"{attention.__module__}:{attention.__name__}", image_size=IMAGE_SIZE)


def filled_graph(network: Network, templates: Path) -> FilledGraph:
    """Return a graph of random weights, whose head is so small that no class is certain."""
    template = OnnxRuntime().template(network, CLASSES, templates)
    state = random_model(network, 3).state_dict()
    filled = template.graph.fill({name: tensor.numpy() for name, tensor in state.items()})
    head = filled.layers[filled.template.layers[-1].node]
    assert head.bias is not None
    small = replace(head, weight=head.weight / 100, bias=head.bias / 100)
    return replace(filled, layers={**filled.layers, head.layer.node: small})


def logits(filled: FilledGraph) -> np.ndarray:
    session = open_session(write_model(filled, Float32(), {}).SerializeToString(), threads=1)
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: image[None]})[0] for image in SEEN])


def divergence(of: np.ndarray, to: np.ndarray) -> float:
    one, other = (each.astype(float) - each.max(1, keepdims=True) for each in (of, to))
    one, other = (each - np.log(np.exp(each).sum(1, keepdims=True)) for each in (one, other))
    return float((np.exp(one) * (one - other)).sum(1).mean())


@pytest.mark.parametrize("network", [RESNET20, MOBILENET, ATTENTION], ids=str)
def test_each_layer_loses_what_a_file_loses_in_which_it_alone_is_rounded(
    network: Network, templates: Path
) -> None:
    filled = filled_graph(network, templates)
    found = sensitivities(filled, [4, 2], SEEN)
    exact = logits(filled)
    assert list(found) == [layer.node for layer in filled.template.layers]
    np.testing.assert_allclose(float_logits(filled, SEEN), exact, rtol=1e-4, atol=1e-4)
    for node in list(found)[:: max(1, len(found) // 6)]:
        layer = filled.layers[node]
        for bits, lost in found[node].items():
            rounded = quantize_weight(layer.weight, Form(bits)).floats
            alone = replace(filled, layers={**filled.layers, node: replace(layer, weight=rounded)})
            assert lost == pytest.approx(divergence(exact, logits(alone)), rel=1e-3, abs=1e-7)
        assert found[node][2] >= found[node][4] >= 0


def test_a_layer_can_read_what_is_on_a_grid(templates: Path) -> None:
    filled = filled_graph(RESNET20, templates)
    first = next(layers_alone(filled, SEEN))
    grid = activation_grid(Range(float(SEEN.min()), float(SEEN.max())))
    rounded = on_grid(torch.from_numpy(SEEN), grid).numpy()
    weight = filled.layers[first.node].weight
    expected = float_logits(filled, rounded)
    np.testing.assert_allclose(first.logits(weight, grid), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.long
def test_all_layers_of_a_resnet56_take_less_than_two_minutes(templates: Path) -> None:
    filled = filled_graph(Network("cifar_resnet56"), templates)
    begun = time.perf_counter()
    found = sensitivities(filled, [8, 4, 2], images(128, 3))
    assert time.perf_counter() - begun < 120
    assert len(found) == 58
