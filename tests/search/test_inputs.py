"""Inputs that change under a begun study, and teachers that cannot be right: real commands."""

import json
import shutil
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from studies import open_storage, open_study
from studies.records import Attr, StudyAttr
from tests.search.commands_run import run_command, run_here, tree

CLASSES = ("blue", "green", "red")
IMAGES = 40
"""Of each class."""
NETWORK = """
from torch import nn

from colour_blocks import mean_colour


def net(classes):
    return nn.Sequential(*mean_colour(), nn.Linear(3, classes))
"""
BLOCKS = """
from torch import nn


def mean_colour():
    return nn.AdaptiveAvgPool2d(1), nn.Flatten()
"""
STUDY = """
name = "colours"
trials = 1

[data]
name = "imagefolder:photos"
image_size = 16
augment = false

[teacher]
architecture = "colour_network:net"
weights = "teacher.safetensors"

[chain]
stages = ["distill"]

[space.network]
architecture = "colour_network:net"
width = 1

[space.distill]
epochs = 1
batch_size = 8
alpha = 0.5
temperature = 2
learning_rate = 0.01

[space.quantize]
scheme = ["fp32"]

[costs]
processes = 1
calls = 20
"""


def teacher(path, outputs=(0, 1, 2)):
    """Write a teacher that tells colours apart; outputs: by class of CLASSES, which says it."""
    weight = torch.zeros(3, 3)
    for place, channel in zip(outputs, (2, 1, 0), strict=True):
        weight[place, channel] = 5.0
    save_file({"2.weight": weight, "2.bias": torch.zeros(3)}, path)


def photo(number, kind):
    pixels = np.random.default_rng(number).integers(0, 60, (16, 16, 3)).astype(np.uint8)
    pixels[..., {"red": 0, "green": 1, "blue": 2}[kind]] += 120
    return Image.fromarray(pixels)


def lay_out(place, images=IMAGES):
    for kind in CLASSES:
        (place / "photos" / kind).mkdir(parents=True)
        for number in range(images):
            photo(number, kind).save(place / "photos" / kind / f"{number}.png")
    (place / "colour_network.py").write_text(NETWORK)
    (place / "colour_blocks.py").write_text(BLOCKS)
    (place / "colours.toml").write_text(STUDY)
    teacher(place / "teacher.safetensors")
    return place


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A folder with a study of a loaded teacher that was searched to its end."""
    place = lay_out(tmp_path_factory.mktemp("colours"))
    # Nothing in a home folder is trusted unasked: workers need the word that was given here.
    options = ("--study", "colours.toml", "--trust-modules")
    ended = run_command("run", *options, cwd=place, HOME=str(place))
    assert ended.returncode == 0, ended.stderr
    (place / "said").write_text(ended.stdout)
    storage, study = study_in(place)
    student = next(t.number for t in study.get_trials() if Attr.CHAIN in t.user_attrs)
    storage.engine.dispose()
    with importing_from(place):
        said = run_here("export", "--study", "colours", "--pick", student, cwd=place)
    assert said.returncode == 0, said.stderr
    return place


@contextmanager
def importing_from(place):
    """Let a user's modules be found in a folder, as they are there now."""
    sys.path.insert(0, str(place))
    try:
        yield
    finally:
        sys.path.remove(str(place))
        for name in ("colour_network", "colour_blocks"):
            sys.modules.pop(name, None)


@pytest.fixture
def begun(searched, tmp_path):
    """The same folder, to be changed: a study knows where its files lie."""
    kept = shutil.copytree(searched, tmp_path / "kept")
    with importing_from(searched):
        yield searched
    shutil.rmtree(searched)
    shutil.copytree(kept, searched)


def study_in(place):
    storage = open_storage(place / "runs" / "colours" / "study.db", must_exist=True)
    return storage, open_study("colours", storage)


def inputs_in(place):
    storage, study = study_in(place)
    content = study.user_attrs[StudyAttr.INPUTS]["content"]
    storage.engine.dispose()
    return content


def refused(*arguments, cwd):
    before = tree(cwd)
    ended = run_here(*arguments, cwd=cwd)
    assert ended.returncode == 2, ended.stderr + ended.stdout
    assert tree(cwd) == before
    (said,) = ended.stderr.splitlines()
    return said.removeprefix("distilfront: ")


def test_a_loaded_teachers_accuracy_is_said_first(searched):
    said = (searched / "said").read_text()
    told = "teacher colour_network:net@1/16px: right on 100.0 % of 19 validation images and on "
    assert told + "100.0 % of 24 test images" in said
    assert said.index(told) < said.index("costs are measured")


def test_a_study_records_what_it_begins_with(searched):
    names = set(inputs_in(searched))
    assert names == {
        *("teacher's weights", "code of colour_network:net", "class names"),
        *("train images", "validation images", "test images"),
    }


def overwrite_teacher(place):
    teacher(place / "teacher.safetensors", (1, 2, 0))
    return f"teacher's weights ({place / 'teacher.safetensors'})"


def turn_an_image(place):
    path = place / "photos" / "red" / "3.png"
    Image.open(path).rotate(90).save(path)
    return f"images (imagefolder:{place / 'photos'})"


def rename_a_class(place):
    (place / "photos" / "green").rename(place / "photos" / "verdant")
    return f"class names (imagefolder:{place / 'photos'})"


def change_an_import(place):
    file = place / "colour_blocks.py"
    file.write_text(file.read_text().replace("Pool2d(1)", "Pool2d((1, 1))"))
    return "code of colour_network:net ("


CHANGES = (overwrite_teacher, turn_an_image, rename_a_class, change_an_import)


@pytest.mark.parametrize(
    "change", [*CHANGES[:2], *(pytest.param(each, marks=pytest.mark.long) for each in CHANGES[2:])]
)
def test_a_begun_study_does_not_go_on_with_other_inputs(begun, change):
    words = change(begun)
    said = refused("run", "--study", "colours.toml", "--trials", "2", cwd=begun)
    assert said.startswith("study 'colours' has begun with other inputs than are there now: ")
    assert words in said
    assert "put the old ones back, or search with the new ones under another name" in said
    said = refused("export", "--study", "colours", "--out", "again", cwd=begun)
    assert words in said
    said = refused("retrain", "best/config.toml", "--trust-modules", "--out", "final", cwd=begun)
    assert words in said
    assert "delete its table [inputs]" in said


def test_modules_of_a_study_that_lies_elsewhere_are_imported_on_ones_word(begun, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    known = ("--study", "colours", "--runs-dir", begun / "runs")
    for name in ("colour_network", "colour_blocks"):
        sys.modules.pop(name, None)
    for command in ("status", "report"):
        assert run_here(command, *known, cwd=here).returncode == 0
    for command in (
        ("export", *known, "--out", "best"),
        ("profile", *known, "--out", "bundle"),
        ("retrain", begun / "best" / "config.toml", "--runs-dir", begun / "runs"),
    ):
        said = refused(*command, cwd=here)
        assert f"colour_network (from '{begun / 'colour_network.py'}')" in said
        assert said.endswith("; --trust-modules lets it")
    said = run_here("clean", "--dry-run", "--runs-dir", begun / "runs", cwd=here)
    assert "all that its trials recorded is kept, as study 'colours' names code" in said.stdout
    assert "colour_network" not in sys.modules
    ended = run_here("export", *known, "--out", "best", "--trust-modules", cwd=here)
    assert ended.returncode == 0, ended.stderr
    assert "colour_network" in sys.modules


def test_a_study_goes_on_with_a_copy_of_its_inputs(begun):
    for path in (begun / "photos").rglob("*.png"):
        path.touch()
    shutil.copy(begun / "teacher.safetensors", begun / "moved.safetensors")
    (begun / "moved.safetensors").rename(begun / "teacher.safetensors")
    ended = run_here("run", "--study", "colours.toml", cwd=begun)
    assert ended.returncode == 0, ended.stderr
    assert "Data: 3 classes, " in ended.stdout


@pytest.fixture
def place(tmp_path):
    with importing_from(lay_out(tmp_path)):
        yield tmp_path


def test_a_teacher_of_another_order_is_refused_with_the_order(place):
    teacher(place / "teacher.safetensors", (2, 0, 1))
    said = refused("run", "--study", "colours.toml", cwd=place)
    assert said.startswith(
        "teacher colour_network:net@1/16px with the weights "
        f"{place / 'teacher.safetensors'} is right in 0.0 %"
    )
    assert said.endswith('write [data] classes = ["green", "red", "blue"]')


def test_a_teacher_that_guesses_is_refused(place):
    save_file({"2.weight": torch.zeros(3, 3), "2.bias": torch.eye(3)[0]}, place / "guess.pth")
    run = ("run", "--study", "colours.toml", "--set", "teacher.weights=guess.pth")
    said = refused(*run, cwd=place)
    assert "is right in 33.3 % of 120 images, no better than guessing among 3 classes" in said
    for kind in CLASSES:
        for number in range(8, IMAGES):
            (place / "photos" / kind / f"{number}.png").unlink()
    # Of so few images nobody knows.
    assert run_here(*run, "--dry-run", cwd=place).returncode == 0


def test_a_report_divides_by_no_accuracy_of_nothing(begun):
    storage, study = study_in(begun)
    study.set_user_attr(
        StudyAttr.TEACHER.value, {**study.user_attrs[StudyAttr.TEACHER], "accuracy": 0.0}
    )
    storage.engine.dispose()
    for command in ("report", "status"):
        ended = run_here(command, "--study", "colours", cwd=begun)
        assert ended.returncode == 0, ended.stderr
    written = begun / "runs" / "colours" / "report"
    assert "it gets none right" in (written / "report.html").read_text()
    json.loads((written / "report.json").read_text(), parse_constant=pytest.fail)
    ended = run_here("export", "--study", "colours", "--out", "again", cwd=begun)
    assert ended.returncode == 0, ended.stderr
    assert load_file(begun / "again" / "student.safetensors")
