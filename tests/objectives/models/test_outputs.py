"""Networks that give more than logits."""

import pytest
import torch

from objectives.models import build_model, initialised_model, save_weights
from objectives.training import adaptation
from spaces import Adapt, InputError, Network
from tests.objectives.models import users_networks

HERE = users_networks.__name__
PLAIN = Network(f"{HERE}:plain")


@pytest.mark.parametrize("name", ["pair", "in_training", "named", "as_dataclass", "as_named_tuple"])
def test_logits_come_out_alone_and_names_stay(name, tmp_path):
    given, plain = (
        initialised_model(network, 10, seed=1) for network in (Network(f"{HERE}:{name}"), PLAIN)
    )
    images = torch.randn(2, 3, 16, 16)
    assert list(given.state_dict()) == list(plain.state_dict())
    assert isinstance(given, users_networks.Plain)
    for mode in (True, False):
        assert torch.equal(given.train(mode)(images), plain.train(mode)(images))
    save_weights(given, tmp_path / "given")
    save_weights(plain, tmp_path / "plain")
    assert (tmp_path / "given").read_bytes() == (tmp_path / "plain").read_bytes()


def test_an_adapter_sees_logits_alone():
    """peft calls `forward` itself, past any hook."""
    model = build_model(Network(f"{HERE}:named"), 10).eval()
    images = torch.randn(2, 3, 16, 16)
    before = model(images)
    adapter = adaptation(Adapt(1, 0.01, rank=2, lora_alpha=4))
    adapted = adapter.attach(model, 16).eval()
    assert torch.equal(adapted(images), before)
    assert torch.equal(adapter.merge(adapted)(images), before)


def test_what_is_not_plain_is_refused_with_what_it_gives():
    model = build_model(Network(f"{HERE}:features_first"), 10)
    with pytest.raises(
        InputError, match=r"gives a tuple of float32 \[2, 8\], float32 \[2, 10\], expected logits"
    ):
        model(torch.zeros(2, 3, 16, 16))
