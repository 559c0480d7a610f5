"""Why a network that computes less is no faster, said where it is so."""

from types import SimpleNamespace

import pytest

from objectives.costs import CostTable
from reports.no_faster import no_faster
from spaces import Distill, Network, Prune, StudentConfig

WHOLE = Network("cifar_resnet56")
STUDENT = StudentConfig(WHOLE, (Distill(), Prune(amount=0.5)), 1)


def cost(network, flops, latency):
    return SimpleNamespace(network=network, layout="w8a8", flops=flops, median_ms=latency)


def summary(latency):
    table = CostTable(
        (cost(WHOLE.key, 100, 1.0), cost(STUDENT.deployed.key, 25, latency)),
        *("teacher", "onnxruntime", {}, 1, 20, 1),
    )
    history = SimpleNamespace(
        points=[SimpleNamespace(chain=SimpleNamespace(student=STUDENT), scheme="int8_static")]
    )
    return SimpleNamespace(costs=table, history=history, network_in_words=lambda key: key)


@pytest.mark.parametrize(("latency", "told"), [(1.01, True), (0.9, True), (0.5, False)])
def test_it_is_said_where_fewer_flops_take_as_long(latency, told):
    said = no_faster(summary(latency))
    assert len(said) == told
    for sentence in said:
        assert "has 25% of the FLOPs of the whole network" in sentence
        assert f"takes {latency:.0%} of its time under int8 static" in sentence
