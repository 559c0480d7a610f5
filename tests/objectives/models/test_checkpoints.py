"""Checkpoints as training scripts write them, and files that are none."""

import argparse
import os
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn

from objectives.models import build_model, initialised_model, load_weights
from spaces import InputError, Network
from tests.objectives.mutations import odd_tensors

SMALL = Network("resnet8x4", 0.25)
CLASSES = 3


def small(seed=1):
    return initialised_model(SMALL, CLASSES, seed)


def prefixed(prefix, state):
    return {f"{prefix}{name}": value for name, value in state.items()}


STATE = small().state_dict()
OLD = {name: value for name, value in STATE.items() if "num_batches_tracked" not in name}
OTHER = small(2).state_dict()
WIDER = initialised_model(Network("resnet8x4", 0.5), CLASSES, 1).state_dict()


def saved(held, tmp_path, name="weights.pth"):
    path = tmp_path / name
    torch.save(held, path)
    return path


def refusal(path, model=None, **options):
    with pytest.raises(InputError) as caught:
        load_weights(model or small(2), path, "resnet8x4@0.25", classes=CLASSES, **options)
    said = str(caught.value)
    assert said.startswith(f"weights {path} ")
    assert "\n" not in said
    assert "\x1b" not in said
    return said.removeprefix(f"weights {path} ")


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (STATE, ""),
        (prefixed("module.", STATE), "names without module."),
        (prefixed("_orig_mod.", STATE), "names without _orig_mod."),
        (prefixed("module._orig_mod.", OLD), "names without module._orig_mod."),
        (prefixed("net.backbone.", STATE), "names without net.backbone."),
        (
            {"state_dict": prefixed("model.", STATE), "epoch": 3},
            "taken from state_dict, names without model.",
        ),
        ({"model_state_dict": STATE, "epoch": 3}, "taken from model_state_dict"),
        ({"state": {"weights": STATE}, "optimizer": {}}, "taken from state.weights"),
        ({"networks": [WIDER, STATE]}, "taken from networks.1"),
        ({"ema": {"n": torch.tensor(3), **prefixed("module.", STATE)}, "model": WIDER}, None),
        (OLD, ""),
        (
            {"state_dict": {**prefixed("model.", STATE), "criterion.weight": torch.ones(3)}},
            "taken from state_dict, names without model., without criterion.weight",
        ),
        ({"model": STATE, "ema": dict(STATE)}, "taken from model"),
        (
            {
                name: value.half() if value.is_floating_point() else value
                for name, value in OLD.items()
            },
            "widened from float16",
        ),
        (
            {name: value.bfloat16() for name, value in OLD.items()},
            "widened from bfloat16",
        ),
    ],
)
def test_a_checkpoint_as_training_scripts_write_it_fills_the_network(tmp_path, held, words):
    model = small(2)
    said = load_weights(model, saved(held, tmp_path), "resnet8x4")
    if words is not None:
        assert said == words
    rough = "widened" in said
    for name, value in STATE.items():
        if name in OLD:
            loaded = model.state_dict()[name]
            assert loaded.dtype == value.dtype
            assert torch.allclose(loaded, value, rtol=0.01 if rough else 0, atol=1e-3 * rough)


def test_the_content_says_what_a_file_is_not_its_ending(tmp_path):
    model = small(2)
    load_weights(model, saved(STATE, tmp_path, "weights.safetensors"), "resnet8x4")
    save_file(STATE, tmp_path / "weights.bin")
    load_weights(model, tmp_path / "weights.bin", "resnet8x4")
    assert torch.equal(model.state_dict()["fc.bias"], STATE["fc.bias"])


def test_auxiliary_heads_may_be_left_over(tmp_path):
    from torchvision.models import googlenet

    state = googlenet(num_classes=CLASSES, init_weights=False).state_dict()
    model = build_model(Network("googlenet"), CLASSES)
    said = load_weights(model, saved(state, tmp_path), "googlenet", classes=CLASSES)
    assert said == "without the auxiliary heads aux1, aux2"
    assert torch.equal(model.state_dict()["fc.weight"], state["fc.weight"])
    # Any other layer that is left over is computed with, and the network is another.
    state["inception3a.branch5.conv.weight"] = torch.ones(2)
    said = refusal(saved(state, tmp_path), build_model(Network("googlenet"), CLASSES))
    assert said == "are not of resnet8x4@0.25: unexpected inception3a.branch5.conv.weight"


def test_a_shared_tensor_may_stand_under_one_of_its_names(tmp_path):
    def tied():
        model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
        model[2].weight = model[0].weight
        return model

    saved_one, model = tied(), tied()
    save_model(saved_one, str(tmp_path / "tied.safetensors"))
    assert load_weights(model, tmp_path / "tied.safetensors", "tied") == ""
    for name, value in saved_one.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)
    apart = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    assert "missing " in refusal(tmp_path / "tied.safetensors", apart)


def test_of_several_sets_that_fit_the_user_says_which(tmp_path):
    path = saved({"model": STATE, "ema": prefixed("module.", OTHER)}, tmp_path)
    said = refusal(path)
    assert said == (
        "hold 2 sets that fit resnet8x4@0.25 (model, ema.module): say which one is meant, as "
        '[teacher] weights_part = "model"'
    )
    for part in ("ema", "ema.module"):
        model = small(3)
        load_weights(model, path, "resnet8x4", part=part)
        assert torch.equal(model.state_dict()["fc.bias"], OTHER["fc.bias"])
    assert refusal(path, part="emma") == "have no part 'emma': there are ema, ema.module, model"
    both = saved({**prefixed("student.", STATE), **prefixed("teacher.", OTHER)}, tmp_path)
    assert "(student, teacher)" in refusal(both)


def test_a_head_of_other_classes_is_told_as_such(tmp_path):
    state = initialised_model(SMALL, 1000, 1).state_dict()
    assert refusal(saved(state, tmp_path)) == (
        "are not of resnet8x4@0.25: their head tells 1000 classes apart and the data has 3 "
        "(fc.bias is [1000]): choose weights that were trained on these classes"
    )
    squeezed = build_model(Network("squeezenet1_1"), 10).state_dict()
    model = build_model(Network("squeezenet1_1"), CLASSES)
    assert "their head tells 10 classes apart" in refusal(saved(squeezed, tmp_path), model)
    assert "expected [" in refusal(saved(WIDER, tmp_path))


def test_an_unsafe_pickle_is_told_with_the_lines_that_save_it_anew(tmp_path):
    args = argparse.Namespace(lr=0.1)
    for held, blocked in [
        ({"state_dict": STATE, "args": args}, "argparse.Namespace"),
        ({"state_dict": STATE, "best": np.float64(0.9), "lr": {"now": 1}}, "numpy."),
        ({"model": small(), "epoch": 3}, "CifarResNet"),
        (small(), "objectives.models.cifar_resnet.CifarResNet"),
        ({**STATE, "args": args}, "argparse.Namespace"),
    ]:
        for zipped in (True, False):
            path = tmp_path / "held.pth.tar"
            torch.save(held, path, _use_new_zipfile_serialization=zipped)
            said = refusal(path)
            assert said.startswith("hold more than tensors (")
            assert blocked in said
            lines = re.search(r"two lines of Python: (held = .*\)); (torch\.save\(.*\))$", said)
            assert lines is not None
            exec("\n".join(lines.groups()), {"torch": torch})
            model = small(2)
            load_weights(model, tmp_path / "held-weights.pth", "resnet8x4")
            assert torch.equal(model.state_dict()["fc.bias"], STATE["fc.bias"])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.pth", b"", "are an empty file"),
        ("a.safetensors", b"", "are an empty file"),
        (
            "a.pth",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
            "are a Git LFS pointer, not the weights themselves: run `git lfs pull`",
        ),
        ("a.pth", b"/annex/objects/SHA256E-s12--4d7a.pth\n", "are a git-annex pointer"),
        ("a.pth", b"<!DOCTYPE html><html><body>Sign in</body></html>", "are a web page"),
        ("a.pth", b"hello world", "are damaged or not a file of tensors"),
        ("a.pth", b"accuracy: 0.9\n", "are damaged or not a file of tensors"),
        ("a.pth", bytes(range(256)) * 9, "are damaged or not a file of tensors"),
        ("a-00001-of-00002.safetensors", b"\x08", "are one of several shards: join them"),
        ("a.safetensors.index.json", b"{}", "are one of several shards: join them"),
    ],
)
def test_a_file_that_is_no_weights_gets_its_words(tmp_path, name, content, words):
    path: Path = tmp_path / name
    path.write_bytes(content)
    assert refusal(path).startswith(words)


@pytest.mark.skipif(sys.platform == "win32", reason="fifos")
def test_what_cannot_be_opened_is_told(tmp_path):
    os.mkfifo(tmp_path / "fifo.pth")
    assert refusal(tmp_path / "fifo.pth").startswith("are a fifo: expected a .safetensors or")
    assert refusal(tmp_path / f"{'a' * 300}.pth") == "cannot be read: File name too long"


def test_a_folder_and_a_torchscript_archive_get_their_words(tmp_path):
    assert refusal(tmp_path) == "are a folder: expected a .safetensors or .pth file"
    saved(STATE, tmp_path)
    assert refusal(tmp_path).endswith("file, such as weights.pth in it")
    scripted = tmp_path / "scripted.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Such files are still about.
        torch.jit.save(torch.jit.script(nn.Linear(2, 3)), scripted)
    assert refusal(scripted).startswith("are a TorchScript archive: save its weights anew")


@pytest.mark.parametrize(("kind", "value"), odd_tensors(STATE["fc.weight"]).items())
def test_tensors_that_are_no_weights_are_refused_by_name_and_kind(tmp_path, kind, value):
    said = refusal(saved({**STATE, "fc.weight": value}, tmp_path))
    assert said == (
        f"are not of resnet8x4@0.25: fc.weight holds {kind}, "
        "expected dense floating-point numbers of 16, 32 or 64 bits"
    )


def test_values_that_no_training_gives_are_refused(tmp_path):
    variances = STATE["bn1.running_var"].clone()
    variances[2] = -0.25
    said = refusal(saved({**STATE, "bn1.running_var": variances}, tmp_path))
    assert said == "hold negative variances in bn1.running_var, down to -0.25"
    for value in (torch.full((3,), 1e300, dtype=torch.float64), torch.full((3,), torch.nan)):
        said = refusal(saved({**STATE, "fc.bias": value}, tmp_path))
        assert said == "hold values that are not finite in fc.bias"


def test_claims_that_a_file_cannot_hold_are_refused_before_memory_is_taken(tmp_path):
    path = saved({"w": torch.ones(4)}, tmp_path)
    packed = bytearray(path.read_bytes())
    size = packed.rfind(b"PK\1\2") + 24  # Where the archive's contents say it of the last member.
    packed[size : size + 4] = b"\0\0\0\xf0"
    path.write_bytes(packed)
    assert "that say they hold 3,840.0: are they damaged?" in refusal(path)
    terabytes = b"\x8a\6" + (2**40).to_bytes(6, "little")
    for zipped in (True, False):
        torch.save({"w": torch.ones(4)}, path, _use_new_zipfile_serialization=zipped)
        path.write_bytes(path.read_bytes().replace(b"K\4", terabytes))
        assert refusal(path).startswith("are damaged or not a file of tensors")


def test_a_damaged_file_is_not_blamed_on_the_next_one(tmp_path):
    """torch checks the sparse tensors of a file that it refused together with the next file's."""
    indices = torch.tensor([[-5]])  # There is no such place.
    with torch.sparse.check_sparse_tensor_invariants(enable=False):
        odd = torch.sparse_coo_tensor(indices, torch.ones(1), (3,), check_invariants=False)
    path = saved({"odd": odd, "last": argparse.Namespace()}, tmp_path)
    assert refusal(path).startswith("hold more than tensors")
    load_weights(small(2), saved(STATE, tmp_path, "sound.pth"), "resnet8x4")


def test_parts_that_lie_in_themselves_end(tmp_path):
    held = {"model": STATE}
    held |= dict.fromkeys("abcdefghijklmnopqrstuvwxyz", held)
    model = small(2)
    assert load_weights(model, saved(held, tmp_path), "resnet8x4") == "taken from model"


def test_a_file_without_a_state_dict_is_told(tmp_path):
    assert refusal(saved({"state_dict": {}, "epoch": 3}, tmp_path)).startswith("hold no state dict")
