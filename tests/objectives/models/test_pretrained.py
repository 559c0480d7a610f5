"""Torchvision's weights from its cache, as what a network of other classes begins with."""

import pytest
import torch
from torchvision import models

from objectives.models import initialised_model, load_pretrained, pretrained_file
from spaces import InputError, Network

V1 = "IMAGENET1K_V1"


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """Write random weights of an architecture where torchvision looks for its own."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    # Nothing answers there: no test downloads anything.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")

    def write(architecture, name=V1, change=lambda state: state):
        torch.manual_seed(3)
        state = models.get_model(architecture, weights=None).state_dict()
        url = models.get_model_weights(architecture)[name].url
        path = tmp_path / "hub" / "checkpoints" / url.rpartition("/")[2]
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(change(state), path)
        return state

    return write


@pytest.mark.parametrize(
    ("architecture", "head"),
    [
        ("shufflenet_v2_x0_5", ("fc.weight", "fc.bias")),
        ("squeezenet1_1", ("classifier.1.weight", "classifier.1.bias")),
        ("mnasnet0_5", ("classifier.1.weight", "classifier.1.bias")),
    ],
)
@pytest.mark.parametrize("classes", [7, 1000])
def test_all_but_the_classifier_is_taken(cached, architecture, head, classes):
    written = cached(architecture)
    network = Network(architecture)
    model = initialised_model(network, classes, seed=5)
    load_pretrained(model, network, V1, classes)
    fresh = initialised_model(network, classes, seed=5).state_dict()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, (fresh if name in head else written)[name], msg=name)


def test_default_is_the_newest_that_there_is(cached):
    cached("shufflenet_v2_x0_5", "DEFAULT")
    network = Network("shufflenet_v2_x0_5")
    assert pretrained_file(network, "DEFAULT") == pretrained_file(network, V1)


def test_a_small_stem_of_the_same_weights_is_filled(cached):
    written = cached("shufflenet_v2_x0_5")
    network = Network("shufflenet_v2_x0_5", stem="small")
    model = initialised_model(network, 7, seed=5)
    load_pretrained(model, network, V1, 7)
    torch.testing.assert_close(model.state_dict()["conv1.0.weight"], written["conv1.0.weight"])


def refused(network, name=V1):
    with pytest.raises(InputError) as caught:
        load_pretrained(initialised_model(network, 7, seed=0), network, name, 7)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.usefixtures("cached")
def test_what_is_neither_cached_nor_to_be_had_is_told_with_its_place_and_address(tmp_path):
    line = refused(Network("squeezenet1_1"))
    file = tmp_path / "hub" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth"
    assert line.startswith(
        f"pretrained IMAGENET1K_V1: expected in {file}, where it is not, and it cannot be had from "
        "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth: "
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("cached")
def test_a_network_without_such_weights_is_told_what_there_is():
    line = refused(Network("cifar_resnet20"))
    assert line.startswith("pretrained IMAGENET1K_V1: torchvision has weights of its own archi")
    assert "mobilenet_v2" in line
    line = refused(Network("squeezenet1_1"), "IMAGENET1K_V3")
    assert line == "pretrained IMAGENET1K_V3: there are IMAGENET1K_V1, DEFAULT"
    line = refused(Network("mobilenet_v2", 0.5))
    assert line == "pretrained IMAGENET1K_V1: it is of width 1, got 0.5"
    line = refused(Network("resnet18", stem="small"))
    assert line.startswith("pretrained IMAGENET1K_V1: it is of stem imagenet, and a small stem is")


def test_a_damaged_file_is_one_line(cached):
    cached("squeezenet1_1", change=lambda state: dict(list(state.items())[3:]))
    line = refused(Network("squeezenet1_1"))
    assert line.startswith("pretrained IMAGENET1K_V1: weights ")
    assert "missing features.0.weight, features.0.bias, " in line
