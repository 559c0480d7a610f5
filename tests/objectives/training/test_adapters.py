from dataclasses import replace

import pytest
import torch
from peft import PeftModel
from torch import nn

from objectives.models import initialised_model
from objectives.training.adapters import adaptation, target_layers
from objectives.training.float_accuracy import logits_of
from spaces import Adapt, InputError, Network
from tests.objectives import made_weights

NETWORK = Network("mobilenet_v2", 0.25)


LORA = Adapt(1, 0.01, rank=4, lora_alpha=8, dropout=0.1, targets="dense")


def _adapted(targets="dense", seed=0):
    model = initialised_model(NETWORK, 5, seed=1)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        adapted = adaptation(replace(LORA, targets=targets)).attach(model, 32)
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:  # zero at first: an untrained adapter changes nothing
                nn.init.normal_(weight, std=0.1)
    return adapted


@pytest.mark.parametrize(
    ("targets", "count"),
    [("classifier", 1), ("pointwise", 34), ("classifier+pointwise", 35), ("dense", 36)],
)
def test_targets(targets, count):
    model = initialised_model(NETWORK, 5, seed=1)
    layers = dict(model.named_modules())
    names = target_layers(model, targets)
    assert len(names) == count
    assert all(getattr(layers[name], "groups", 1) == 1 for name in names)


def test_a_network_without_the_targets_is_refused():
    with pytest.raises(InputError, match="no layer"):
        target_layers(nn.Sequential(nn.Conv2d(3, 4, 3)), "classifier")


@pytest.mark.parametrize("targets", ["classifier", "pointwise", "dense"])
def test_merging_changes_no_answer_and_leaves_the_architectures_names(targets):
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    adapted = _adapted(targets).double()
    before = logits_of(adapted, images.double())
    plain = initialised_model(NETWORK, 5, seed=1).double()
    assert not torch.allclose(before, logits_of(plain, images.double()))
    merged = adaptation(LORA).merge(adapted)
    torch.testing.assert_close(logits_of(merged, images.double()), before, rtol=1e-10, atol=1e-12)
    assert merged.state_dict().keys() == plain.state_dict().keys()


@pytest.mark.parametrize(
    "make",
    [
        made_weights.attention,
        made_weights.weight_norm,
        made_weights.standardised,
        made_weights.vit,
        made_weights.convnext,
    ],
    ids=lambda make: make.__name__,
)
def test_what_merges_is_what_was_trained_wherever_weights_are_made(make):
    """Attention reads a layer's weight without calling it; weight norm computes it from others."""
    torch.manual_seed(0)
    model = make(5).double().eval()
    images = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    lora = adaptation(Adapt(1, 0.01, rank=2, lora_alpha=8, dropout=0.0, targets="dense"))
    adapted = lora.attach(model, 32)
    touched = {name for name, weight in adapted.named_parameters() if "lora_B" in name}
    for name, weight in adapted.named_parameters():
        if name in touched:
            nn.init.normal_(weight, std=0.1)
    before = logits_of(adapted, images)
    torch.testing.assert_close(logits_of(lora.merge(adapted), images), before)


def test_linear_layers_on_tokens_carry_adapters_and_torchs_attention_does_not():
    names = target_layers(made_weights.attention(5), "classifier")
    assert names == ["up", "down", "head"]
    names = target_layers(made_weights.weight_norm(5), "dense")
    assert names == ["patch", "head"]
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2))
    tied[1].weight = tied[0].weight
    assert target_layers(tied, "dense") == ["2"]


def test_only_adapters_learn():
    learned = [name for name, weight in _adapted().named_parameters() if weight.requires_grad]
    assert learned
    assert all("lora_" in name for name in learned)


def test_a_saved_adapter_is_pefts_own_and_has_the_same_bytes_each_time(tmp_path):
    adapted = _adapted()
    adaptation(LORA).save(adapted, tmp_path / "a")
    adaptation(LORA).save(_adapted(), tmp_path / "b")
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    fresh = initialised_model(NETWORK, 5, seed=1)
    loaded = PeftModel.from_pretrained(fresh, str(tmp_path / "a"))
    assert torch.equal(logits_of(loaded, images), logits_of(adapted, images))
