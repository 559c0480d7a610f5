"""search.new: a folder, and perhaps a checkpoint, become a study file that a dry run accepts."""

import tomllib

import numpy as np
import pytest
import torch
from PIL import Image

from objectives.models import build_model
from spaces import Network
from studies import load_study
from tests.search.commands_run import run_here


@pytest.fixture
def photos(tmp_path):
    """A folder of three classes, 30 images each, 40 by 48 pixels."""
    draw = np.random.default_rng(0)
    for name in ("cat", "dog", "owl"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(30):
            pixels = draw.integers(0, 255, (48, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


def test_a_folder_alone_has_a_teacher_to_train(photos, tmp_path):
    done = run_here("new", "photos", "--out", "my_photos.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 classes, 90 images, teacher resnet18, small stem" in " ".join(done.stdout.split())
    study = load_study(str(tmp_path / "my_photos.toml"))
    assert (study.name, study.data.image_size) == ("my_photos", 40)
    assert study.teacher.training is not None
    text = (tmp_path / "my_photos.toml").read_text()
    assert tomllib.loads(text)["data"]["name"] == f"imagefolder:{photos}"
    assert text.count("#") > 10
    plan = run_here(
        *("run", "--study", "my_photos.toml", "--dry-run"),
        *("--set", "space.network.width=0.25"),
        cwd=tmp_path,
    )
    assert plan.returncode == 0, plan.stderr


@pytest.mark.usefixtures("photos")
@pytest.mark.parametrize("name", ["cifar_resnet20", "mobilenet_v3_small"])
def test_a_checkpoint_is_known_by_its_tensors(tmp_path, name):
    torch.save(build_model(Network(name), 3).state_dict(), tmp_path / "teacher.pth")
    done = run_here("new", "photos", "teacher.pth", "--out", "it.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    study = load_study(str(tmp_path / "it.toml"))
    assert study.teacher.architecture == name
    assert study.teacher.weights == str(tmp_path / "teacher.pth")


@pytest.mark.usefixtures("photos")
def test_what_cannot_be_is_refused_and_nothing_written(tmp_path):
    torch.save(build_model(Network("cifar_resnet20"), 10).state_dict(), tmp_path / "ten.pth")
    state = build_model(Network("cifar_resnet20"), 3).state_dict()
    state["conv1.weight"] = state["conv1.weight"].to(torch.float8_e4m3fn)
    torch.save(state, tmp_path / "other.pth")
    (tmp_path / "there.toml").write_text("mine")
    for arguments, words in (
        (
            ("photos", "ten.pth"),
            "ten.pth are of a cifar_resnet20 of 10 classes, and the images ",
        ),
        (("photos", "other.pth"), "nearest is cifar_resnet20: conv1.weight holds float8_e4m3fn, "),
        (("photos", "--out", "there.toml"), "there.toml is there: choose another --out"),
        (("photos", "--out", "study.txt"), "a study file ends in .toml"),
        (("nowhere",), "nowhere"),
        (("photos", "--architecture", "resnet81"), "resnet81"),
    ):
        done = run_here("new", *arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {
        *("photos", "ten.pth", "other.pth", "there.toml"),
    }
    assert (tmp_path / "there.toml").read_text() == "mine"
