import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from objectives import trust_modules
from objectives.models import build_model, initialised_model, load_weights, save_weights
from spaces import InputError, Network, UnknownNameError

USERS = """
from torch import nn

def tiny(classes, width=1.0):
    return nn.Sequential(nn.Flatten(), nn.Linear(round(8 * width), classes))

def number(classes):
    return classes
"""


@pytest.mark.parametrize(
    "network",
    [
        Network("resnet18", stem="small"),
        Network("mobilenet_v2", 0.25),
        Network("mobilenet_v2", 0.5, "small"),
        Network("mobilenet_v3_small", 0.5),
        Network("cifar_resnet20"),
        Network("resnet8x4", 0.5),
    ],
)
def test_gives_one_logit_a_class(network):
    model = build_model(network, classes=7).eval()
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_small_stem_keeps_the_images_size(name):
    sizes = {}
    for stem in ("imagenet", "small"):
        model = build_model(Network(name, stem=stem), 10).eval()
        first = next(m for m in model.modules() if isinstance(m, nn.Conv2d))
        first.register_forward_hook(lambda _, __, y, stem=stem: sizes.update({stem: y.shape[-1]}))
        model(torch.zeros(1, 3, 32, 32))
    assert sizes == {"imagenet": 16, "small": 32}


def test_published_cifar_resnets_have_these_sizes():
    """Parameters as pytorch-cifar-models and RepDistiller (CIFAR-100) state them, in thousands."""
    for name, classes, thousands in [
        ("cifar_resnet20", 10, 272),
        ("cifar_resnet56", 10, 856),
        ("resnet8x4", 100, 1234),
        ("resnet32x4", 100, 7434),
    ]:
        model = build_model(Network(name), classes)
        assert sum(w.numel() for w in model.parameters()) // 1000 == pytest.approx(thousands, abs=1)
    keys = set(build_model(Network("cifar_resnet20"), 10).state_dict())
    assert {"conv1.weight", "layer2.0.downsample.1.running_var", "fc.bias"} <= keys


def test_a_seed_decides_the_weights_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second, other = (initialised_model(Network("resnet8x4"), 3, s) for s in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(first.conv1.weight, second.conv1.weight)
    assert not torch.equal(first.conv1.weight, other.conv1.weight)


def test_a_users_function_makes_the_network(tmp_path, monkeypatch):
    (tmp_path / "users_models.py").write_text(USERS)
    monkeypatch.syspath_prepend(tmp_path)
    trust_modules(["users_models"])
    assert build_model(Network("users_models:tiny"), 5)[-1].out_features == 5
    assert build_model(Network("users_models:tiny", 0.5), 5)[-1].in_features == 4
    with pytest.raises(InputError, match=r"must return a torch\.nn\.Module, got int"):
        build_model(Network("users_models:number"), 5)


def test_unknown_names_and_settings_are_refused_in_one_line():
    trust_modules(["math"])
    for network, words in [
        (Network("resnet19"), "known are cifar_resnet20"),
        (Network("no_such_module:make"), "cannot import no_such_module"),
        (Network("math:pi"), "has no function 'pi'"),
        (Network("math:sqrt"), "callable with classes"),
        (Network("vit_b_16", stem="small"), "no stem"),
    ]:
        with pytest.raises(InputError, match=words) as caught:
            build_model(network, 10)
        assert "\n" not in str(caught.value)
    with pytest.raises(UnknownNameError):
        build_model(Network("resnet19"), 10)
    with pytest.raises(InputError, match="resnet18 has no width"):
        Network("resnet18", 0.5)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", "wrapped.pth"])
@pytest.mark.parametrize(
    "network", [Network("resnet8x4", 0.25), Network("mnasnet0_5")], ids=lambda each: each.key
)
def test_weights_come_back_from_every_kind_of_file(tmp_path, suffix, network):
    saved, loaded = (initialised_model(network, 3, s) for s in (1, 2))
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_weights(saved, path)
    else:
        state = saved.state_dict()
        torch.save({"model": state, "epoch": 3} if "wrapped" in suffix else state, path)
    load_weights(loaded, path, network.key)
    for name, value in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


def test_equal_weights_give_equal_bytes(tmp_path):
    model = initialised_model(Network("resnet8x4", 0.25), 3, 1)
    save_weights(model, tmp_path / "a")
    save_weights(model.to(memory_format=torch.channels_last), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_bad_weight_files_are_refused_in_one_line(tmp_path):
    model = initialised_model(Network("resnet8x4", 0.25), 3, 1)
    other = tmp_path / "other.safetensors"
    save_weights(initialised_model(Network("resnet8x4", 0.5), 5, 1), other)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(other.read_bytes()[:1000])
    cut_pth = tmp_path / "cut.pth"
    torch.save(model.state_dict(), cut_pth)
    cut_pth.write_bytes(cut_pth.read_bytes()[:1000])
    pickled = tmp_path / "network.pth"
    torch.save(model, pickled)
    numbers = tmp_path / "numbers.pth"
    torch.save([1, 2], numbers)
    nan = tmp_path / "nan.safetensors"
    state = {k: v.clone() for k, v in model.state_dict().items()}
    state["fc.bias"][0] = float("nan")
    save_file(state, nan)
    for path, words in [
        (tmp_path / "none.pth", "do not exist"),
        (other, r"conv1.weight is \[16, 3, 3, 3\], expected \[8, 3, 3, 3\]"),
        (cut, "damaged"),
        (cut_pth, "damaged"),
        (pickled, "hold more than tensors"),
        (numbers, "no state dict"),
        (nan, "not finite in fc.bias"),
    ]:
        with pytest.raises(InputError, match=words) as caught:
            load_weights(model, path, "resnet8x4@0.25")
        assert "\n" not in str(caught.value)
