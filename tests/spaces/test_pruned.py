"""What pruning leaves of a network, without its weights."""

import random
import secrets
from dataclasses import replace

import pytest

from spaces import (
    WHOLE,
    Adapt,
    Choice,
    Distill,
    InputError,
    LayerLosses,
    Network,
    Prune,
    Pruned,
    QuantizeAware,
    Space,
    StudentConfig,
    essence,
    from_dict,
    plan_of,
    to_dict,
    weights_of_layers,
)

NETWORK = Network("cifar_resnet20")
HALF = Pruned(0.5)


@pytest.mark.parametrize(
    ("pruned", "channels", "together", "left"),
    [
        (HALF, 16, 1, 8),
        (HALF, 1, 1, 1),
        (Pruned(0.95), 3, 1, 1),
        (Pruned(0.3), 16, 1, 11),
        (Pruned(0.3, multiple=8), 64, 1, 48),
        (Pruned(0.3, multiple=8), 16, 1, 8),
        (Pruned(0.9, multiple=8), 64, 1, 8),
        (HALF, 4, 4, 4),  # One of each group at least.
        (HALF, 64, 32, 32),
        (Pruned(0.5, multiple=8), 6, 1, 3),  # It has no multiple.
        (Pruned(0.5, shares="layer=0"), 16, 1, 16),
        (Pruned(0.5, shares="layer=1.5"), 16, 1, 4),
    ],
)
def test_as_many_channels_stay(pruned, channels, together, left):
    assert pruned.left("layer", channels, together) == left


def test_no_layer_is_ever_empty_nor_grows():
    seed = secrets.randbits(32)
    print(f"{seed=}")
    draw = random.Random(seed)
    for _ in range(2000):
        together = draw.choice([1, 1, 2, 4, 32])
        channels = together * draw.randint(1, 100)
        multiple = draw.choice([1, 2, 3, 4, 8, 16, 64])
        pruned = Pruned(draw.uniform(0.01, 0.95), multiple)
        left = pruned.left("layer", channels, together)
        assert together <= left <= channels
        assert left % together == 0
        assert left == channels or together > 1 or left % multiple == 0 or channels <= multiple


def test_a_network_says_what_is_gone():
    pruned = replace(NETWORK, pruned=Pruned(0.5, 8, "conv1=0.5"))
    assert pruned.key.startswith("cifar_resnet20@1-c0.5x8p")
    assert pruned.in_words == "cifar_resnet20, 50% of channels pruned by plan"
    sparse = Network("cifar_resnet20", 0.5, "small", 24, Pruned(weights=0.7))
    assert sparse.key == "cifar_resnet20@0.5+small/24px-w0.7"
    assert sparse.in_words == "cifar_resnet20 x0.5, small stem, 24 px, 70% of weights zero"
    others = [HALF, Pruned(0.5, 2), Pruned(0.5, shares="conv1=0.5"), Pruned(weights=0.5), WHOLE]
    assert len({replace(NETWORK, pruned=one).key for one in others}) == len(others)
    assert from_dict(Network, to_dict(sparse)) == sparse
    assert "pruned" not in essence(NETWORK)


def test_a_student_has_files_of_what_its_stages_leave():
    student = StudentConfig(NETWORK, (Distill(), Prune(amount=0.3), Adapt()), 0)
    assert student.trained_as == ("cifar_resnet20@1", *["cifar_resnet20@1-c0.3x8"] * 2)
    assert student.files.network == student.deployed.key == "cifar_resnet20@1-c0.3x8"
    aware = StudentConfig(NETWORK, (Prune(removes="weights"), QuantizeAware()), 0)
    assert aware.files == ("cifar_resnet20@1-w0.5", "w4a8")


def test_a_space_knows_all_networks_before_training():
    domains = {
        "network.architecture": Choice(("cifar_resnet20",)),
        "network.width": Choice((1.0, 0.5)),
        "prune.amount": Choice((0, 0.3)),
        "prune.removes": Choice(("channels", "weights")),
    }
    space = Space(("distill", "prune"), domains, 0)
    assert {one.key for one in space.networks} == {
        f"cifar_resnet20@{width}{what}" for width in (1, 0.5) for what in ("", "-c0.3x8", "-w0.3")
    }
    settled = {**domains, "prune.amount": Choice((0.3,)), "prune.removes": Choice(("channels",))}
    space = Space(("distill", "prune"), settled, 0)
    assert [one.key for one in space.networks] == [
        "cifar_resnet20@0.5-c0.3x8",
        "cifar_resnet20@1-c0.3x8",
    ]
    assert {one.key for one in space.networks_trained} == {
        f"cifar_resnet20@{width}{what}" for width in (1, 0.5) for what in ("", "-c0.3x8")
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"shares": "conv1"}, "shares must be even, or pairs of a layer and a number"),
        ({"shares": "conv1=x"}, "got 'conv1=x'"),
        ({"shares": "conv1=11"}, r"a number in \[0, 10\]"),
        ({"shares": "conv1=1 conv1=2"}, "conv1 twice"),
        ({"shares": " "}, "shares must be even or pairs"),
        ({"shares": "conv1=2"}, "must leave every layer 5%, and takes 100% of conv1"),
        ({"amount": 1.0}, r"amount must be in \[0, 0\.95\], got 1"),
        ({"removes": "neurons"}, "removes must be one of channels, weights"),
        ({"removes": "weights", "multiple": 4}, "multiple does not apply here"),
        ({"steps": 4}, "steps must be at most the epochs, got 4 beside 3"),
    ],
)
def test_what_cannot_be_pruned_is_refused_in_words(given, words):
    with pytest.raises(InputError, match=words):
        Prune(**given)


def test_a_plan_takes_the_same_loss_of_every_layer_and_the_amount_in_all():
    tough = LayerLosses("a", 10, {0.2: 0.2, 0.8: 0.8})
    soft = LayerLosses("b", 30, {0.2: 0.05, 0.8: 0.2})
    weights = weights_of_layers(plan_of([tough, soft], 0.5))
    shares = {layer: 0.5 * weight for layer, weight in weights.items()}
    assert (10 * shares["a"] + 30 * shares["b"]) / 40 == pytest.approx(0.5, abs=0.005)
    # b's loss there, by the same straight lines.
    assert shares["a"] == pytest.approx(0.05 + (shares["b"] - 0.2) / 4, abs=0.005)
    with pytest.raises(InputError, match=r"at most 0\.8"):
        plan_of([tough, soft], 0.9)


def test_a_plan_can_be_read_again_whatever_layers_lose():
    soft = [LayerLosses(name, 10, {0.1: 1e-9, 0.9: 1e-8}) for name in "abc"]
    tough = LayerLosses("d", 1000, {0.1: 40.0, 0.9: 80.0})
    for amount in (0.01, 0.02, 0.05, 0.5):
        plan = plan_of([*soft, tough], amount)
        assert Prune(amount=amount, shares=plan).shares == plan
        gone = sum(one.size * amount * weights_of_layers(plan)[one.layer] for one in (*soft, tough))
        assert gone / 1030 == pytest.approx(amount, rel=0.02)
    with pytest.raises(InputError, match="no layer of the network can be pruned"):
        plan_of([], 0.5)
