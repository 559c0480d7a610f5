"""What holds of every method of adapting: closed forms, merging, saving, and ranks by depth."""

from dataclasses import replace

import pytest
import torch
from peft import PeftModel
from torch import nn

from objectives.models import initialised_model
from objectives.training.adapters import ADAPTERS, adaptation, target_layers
from objectives.training.adapters.adapter import Adaptation
from objectives.training.float_accuracy import logits_of
from spaces import ADAPTERS as DECLARED
from spaces import Adapt, InputError, Network, UnknownNameError
from tests.objectives.models import users_networks

NETWORK = Network(f"{users_networks.__name__}:separable", image_size=16)
GROUPED = ["3", "9"]
PLAIN = ["0", "6", "13"]
SIZE = 16


def settings(method, **others):
    """Return a stage of `method`, on every layer that it can adapt."""
    if "rank" not in DECLARED[method].has:
        return Adapt(method=method)
    targets = "all" if DECLARED[method].grouped else "dense"
    return Adapt(method=method, **{"rank": 3, "lora_alpha": 6.0, "targets": targets, **others})


def fresh():
    model = initialised_model(NETWORK, 5, seed=1).double()
    for module in model:
        if isinstance(module, nn.BatchNorm2d):  # Of a fresh network they change nothing.
            module.running_mean.normal_(generator=torch.Generator().manual_seed(2))
            module.running_var.fill_(0.5)
    return model


def images():
    return torch.randn(8, 3, SIZE, SIZE, dtype=torch.float64, generator=_draws(3))


def _draws(seed):
    return torch.Generator().manual_seed(seed)


def adapted(stage):
    """Return the method, and a network that it adapts, whose adapters were moved at random."""
    torch.manual_seed(0)
    method = adaptation(stage)
    model = method.attach(fresh(), SIZE).double()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                drawn = torch.randn(weight.shape, dtype=weight.dtype, generator=_draws(4))
                weight.add_(drawn, alpha=0.2)
    return method, model


LOW_RANK = [name for name in DECLARED if DECLARED[name].has]
STAGES = [
    *map(settings, DECLARED),
    *(settings(method, rank_pattern=one) for method in LOW_RANK for one in ("early", "late")),
    settings("lora", dropout=0.3),
]
NAMED = {"ids": lambda stage: stage.in_words.replace(" ", "-")}


def test_there_is_a_computation_for_every_method_and_no_other():
    assert ADAPTERS.keys() == DECLARED.keys()
    stage = Adapt()
    object.__setattr__(stage, "method", "unheard_of")
    with pytest.raises(UnknownNameError, match="unheard_of"):
        adaptation(stage)


@pytest.mark.parametrize("stage", STAGES, **NAMED)
def test_what_merges_is_what_was_trained_and_what_is_saved_loads(stage, tmp_path):
    method, model = adapted(stage)
    answers, before = logits_of(model, images()), logits_of(fresh(), images())
    assert (answers - before).abs().max() > 0.01
    if stage.left:
        method.save(model, tmp_path)
        loaded = PeftModel.from_pretrained(fresh(), str(tmp_path)).double()
        torch.testing.assert_close(logits_of(loaded, images()), answers, rtol=1e-6, atol=1e-6)
    merged = method.merge(model)
    torch.testing.assert_close(logits_of(merged, images()), answers, rtol=1e-9, atol=1e-9)
    assert merged.state_dict().keys() == fresh().state_dict().keys()


@pytest.mark.parametrize("method", LOW_RANK)
def test_a_fresh_adapter_changes_no_answer(method):
    model = adaptation(settings(method)).attach(fresh(), SIZE).double()
    torch.testing.assert_close(logits_of(model, images()), logits_of(fresh(), images()))


def delta(stage, layer):
    """Return W' - W of a layer, as the paper has it of the adapter's tensors; and what they are."""
    _, model = adapted(stage)
    module = model.get_submodule(f"base_model.model.{layer}")
    held = {
        name.replace(".default", "").removesuffix(".weight"): weight.detach()
        for name, weight in module.named_parameters()
        if weight.requires_grad
    }
    before, shape = fresh().get_submodule(layer).weight, module.get_base_layer().weight.shape
    flat = before.detach().flatten(1)
    rank, alpha = stage.rank, stage.lora_alpha
    match stage.method:
        case "lora" | "rslora":
            scale = alpha / (rank if stage.method == "lora" else rank**0.5)
            found = scale * (held["lora_B"].flatten(1) @ held["lora_A"].flatten(1))
        case "dora":
            update = alpha / rank * (held["lora_B"].flatten(1) @ held["lora_A"].flatten(1))
            direction = (flat + update) / (flat + update).norm(dim=1, keepdim=True)
            found = held["lora_magnitude_vector"].reshape(-1, 1) * direction - flat
        case "pissa":
            u, s, vh = torch.linalg.svd(flat)
            best = u[:, :rank] @ torch.diag(s[:rank]) @ vh[:rank]
            found = alpha / rank * (held["lora_B"].flatten(1) @ held["lora_A"].flatten(1)) - best
        case "loha":
            first, second = (held[f"hada_w{n}_a"] @ held[f"hada_w{n}_b"] for n in (1, 2))
            found = alpha / rank * first * second
        case "lokr":
            second = held["lokr_w2"] if "lokr_w2" in held else held["lokr_w2_a"] @ held["lokr_w2_b"]
            second = second.reshape(len(second), -1, *shape[2:])
            first = held["lokr_w1"]
            # Block (i, j) of the product is C[i, j] D.
            rows = [torch.cat([value * second for value in row], 1) for row in first]
            found = alpha / rank * torch.cat(rows)
    return found.reshape(shape)


@pytest.mark.parametrize("method", LOW_RANK)
@pytest.mark.parametrize("layer", ["0", "3", "6", "9", "13"])
def test_the_update_of_a_layer_is_the_papers(method, layer):
    stage = settings(method)
    if layer in GROUPED and not DECLARED[method].grouped:
        return
    trained, model = adapted(stage)
    merged = trained.merge(model).get_submodule(layer).weight.detach()
    expected = fresh().get_submodule(layer).weight.detach() + delta(stage, layer)
    torch.testing.assert_close(merged, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("method", "scales"),
    [("lora", {2.0}), ("rslora", {6.0 / 1**0.5, 6.0 / 6**0.5}), ("lokr", {2.0})],
)
@pytest.mark.parametrize(("pattern", "ranks"), [("early", [6, 1, 1]), ("late", [1, 6, 6])])
def test_ranks_by_depth(method, scales, pattern, ranks):
    stage = settings(method, rank_pattern=pattern, targets="dense")
    model = adaptation(stage).attach(fresh(), SIZE)
    layers = [model.get_submodule(f"base_model.model.{name}") for name in PLAIN]
    assert [layer.r["default"] for layer in layers] == ranks
    assert {layer.scaling["default"] for layer in layers} == scales
    assert Adapt(rank_pattern="late").in_words == "rank 8 on dense, late ranks doubled"


@pytest.mark.parametrize("method", DECLARED)
def test_what_learns(method):
    model = adaptation(settings(method)).attach(fresh(), SIZE)
    learned = {name for name, weight in model.named_parameters() if weight.requires_grad}
    if method == "full":
        assert learned == {name for name, _ in model.named_parameters()}
    elif method == "classifier_only":
        assert learned == {"13.weight", "13.bias"}
    else:
        layers = {name.removeprefix("base_model.model.").partition(".")[0] for name in learned}
        assert layers == {*PLAIN, *(GROUPED if DECLARED[method].grouped else [])}
        assert not [name for name in learned if "base_layer" in name]
    assert adaptation(settings(method)).freezes_statistics == (method != "full")


@pytest.mark.parametrize("method", ["lora", "rslora", "dora", "pissa"])
def test_grouped_convolutions_are_refused_where_they_could_not_be_merged(method):
    stage = replace(settings(method), targets="all")
    with pytest.raises(InputError) as caught:
        adaptation(stage).check(fresh(), SIZE)
    assert str(caught.value) == (
        f"{method} cannot adapt its grouped or dilated convolutions, as 3, which are among the "
        "targets 'all': 'dense' leaves them out, and loha or lokr can"
    )
    assert target_layers(nn.Sequential(nn.Conv2d(3, 4, 3)), "all", method) == ["0"]


def test_images_that_are_not_padded_by_zeros_are_not_adapted():
    reflecting = nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect")
    assert target_layers(nn.Sequential(reflecting, nn.Conv2d(3, 3, 3)), "dense") == ["1"]


def test_a_network_without_a_layer_for_its_logits_has_no_classifier_to_train():
    pooled = nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Softmax(1))
    frozen = nn.Sequential(nn.Conv2d(3, 7, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), _Halves())
    adaptation(Adapt(method="classifier_only")).check(pooled, SIZE)
    with pytest.raises(InputError, match="gives its 3 logits"):
        adaptation(Adapt(method="classifier_only")).check(frozen, SIZE)


class _Halves(nn.Module):
    def forward(self, x):
        return x[:, :3]


def test_a_method_must_say_how_it_is_attached_and_saved(tmp_path):
    with pytest.raises(NotImplementedError):
        Adaptation(Adapt()).attach(fresh(), SIZE)
    with pytest.raises(NotImplementedError):
        Adaptation(Adapt()).save(fresh(), tmp_path)
