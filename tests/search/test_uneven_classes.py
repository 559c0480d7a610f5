"""A study of uneven classes: what it says of them, and what it judges by where that is asked."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from objectives import MEASURES
from studies import StudyFolder, open_storage, open_study
from studies.records import read_history
from tests.search.commands_run import run_here
from tests.search.searching import search_here

COUNTS = {"dark": 90, "grey": 24, "bright": 15}

STUDY = """
name = "uneven"
trials = 2
[data]
name = "imagefolder:photos"
image_size = 16
{data}
[teacher]
architecture = "cifar_resnet20"
[teacher.training]
epochs = 1
batch_size = 32
[chain]
stages = ["distill"]
[space.network]
architecture = "cifar_resnet20"
width = 0.25
[space.distill]
epochs = 1
batch_size = 32
[space.quantize]
scheme = ["fp32", "int8_static"]
[costs]
processes = 1
calls = 20
[bounds]
accuracy_of_teacher = 0.1
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    draws = np.random.default_rng(3)
    for level, (name, count) in enumerate(COUNTS.items()):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(count):
            pixels = draws.integers(80 * level, 80 * level + 95, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path


def written(folder: Path, first: str = "", data: str = "") -> Path:
    file = folder / "uneven.toml"
    objectives = f'objectives = ["{first}", "size_bytes"]\n' if first else ""
    file.write_text(objectives + STUDY.format(data=data))
    return file


@pytest.mark.parametrize(
    ("first", "data", "told"),
    [
        ("", "", True),
        ("", 'class_weights = "balanced"', False),
        ("f1", "", False),
        ("balanced_accuracy", "", False),
    ],
)
def test_uneven_classes_are_told_of_where_nothing_makes_up_for_them(photos, first, data, told):
    said = run_here("run", "--study", written(photos, first, data), "--dry-run", cwd=photos)
    assert said.returncode == 0, said.stderr
    words = r"classes are uneven, \d+ to \d+ training images, and accuracy hardly sees the rare"
    assert bool(re.search(words, " ".join(said.stdout.split()))) == told


def test_a_study_judges_by_what_stands_first(photos):
    file = written(photos, "balanced_accuracy", 'class_weights = "balanced"')
    search_here(file, photos / "runs")
    storage = open_storage(StudyFolder(photos / "runs", "uneven").database, must_exist=True)
    study = open_study("uneven", storage)
    assert study.metric_names == ["balanced_accuracy", "size_bytes"]
    points = read_history(study).points
    storage.engine.dispose()
    for point in points:
        counts = np.array(point.evaluation.confusion)
        assert point.accuracy == pytest.approx(MEASURES["balanced_accuracy"].of(counts))
    assert any(point.accuracy != point.evaluation.accuracy for point in points)
    said = run_here("report", "--study", "uneven", cwd=photos)
    assert said.returncode == 0, said.stderr
    assert "Front of uneven against its teacher; accuracy is balanced accuracy" in said.stdout
    page = (photos / "runs" / "uneven" / "report" / "report.html").read_text("utf-8")
    assert "Validation balanced accuracy" in page
    sampled = next(point for point in points if point.origin == "sampled")
    said = run_here(
        *("export", "--study", "uneven", "--pick", sampled.number, "--out", "best"), cwd=photos
    )
    assert said.returncode == 0, said.stderr
    assert "The study recorded" not in said.stdout
    metrics = json.loads((photos / "best" / "metrics.json").read_text())
    assert metrics["validation"]["recall"] == sampled.accuracy


@pytest.mark.parametrize("first", ["", "f1"])
def test_weights_are_one_a_class(photos, first):
    said = run_here(
        *("run", "--study", written(photos, first, "class_weights = [1.0, 2.0]"), "--dry-run"),
        cwd=photos,
    )
    assert said.returncode == 2
    assert said.stderr == "distilfront: class_weights must be one a class, 3, got 2\n"
