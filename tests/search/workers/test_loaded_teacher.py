"""What is said of a loaded teacher: of a real one, trained on the images that validate it."""

import pytest
import torch
from torch import nn

from objectives import Workbench
from objectives.models import build_model
from search.workers.loaded_teacher import loaded_teacher_in_words
from spaces import OWN_TEACHER, DataConfig, LoadTeacher, Network, StudySetup, TeacherConfig

NETWORK = Network("resnet8x4", 0.5, image_size=8)
DATA = DataConfig("digits", 8, train_limit=100, validation_limit=20, test_limit=200)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """Weights of a few steps on the validation images alone, as a training script would write."""
    folder = tmp_path_factory.mktemp("learned")
    with Workbench(setup(folder), folder / "cache") as workbench:
        images = workbench.data.tensor("validation", "cpu")
        labels = torch.from_numpy(workbench.data.labels("validation"))
    torch.manual_seed(0)
    model = build_model(NETWORK, 10)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    state = {f"module.{name}": value for name, value in model.state_dict().items()}
    torch.save({"net": state, "epoch": 40}, folder / "teacher.pth")
    return folder


def setup(folder, **data):
    weights = LoadTeacher(str(folder / "teacher.pth"))
    return StudySetup(DataConfig(**(vars(DATA) | data)), TeacherConfig(NETWORK, weights), seed=0)


def said(folder, tmp_path, **data):
    with Workbench(setup(folder, **data), tmp_path / "cache") as workbench:
        return loaded_teacher_in_words(workbench, OWN_TEACHER, NETWORK)


def test_its_accuracy_comes_first_and_how_it_was_read_and_that_it_knows_a_split(learned, tmp_path):
    first, gap = said(learned, tmp_path)
    assert "it has probably been trained on the validation images" in gap
    assert first.startswith("teacher resnet8x4@0.5/8px: right on ")
    assert " % of 20 validation images and on " in first
    assert first.endswith(
        " % of 200 test images; its weights: taken from net, names without module."
    )


def test_one_that_guesses_is_said_to(learned, tmp_path):
    state = torch.load(learned / "teacher.pth")["net"]
    torch.save(state | {"module.fc.weight": torch.zeros(10, 128)}, tmp_path / "teacher.pth")
    _, doubt, *_ = said(tmp_path, tmp_path)
    assert doubt.startswith("the teacher is right in ")
    assert "% of 20 images, no better than guessing among 10 classes" in doubt
