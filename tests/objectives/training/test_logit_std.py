"""Logit standardization: the published loss, what it leaves out, and a student trained by it."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from objectives import TrainedStudent, Verdict, Workbench
from objectives.data import Batch
from objectives.training import Seen, training_method
from objectives.training.methods.logit_std import standardized
from spaces import (
    METHODS,
    DataConfig,
    Distill,
    Network,
    Schedule,
    StudentConfig,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
)

LOGIT_STD = METHODS["logit_std"]

STUDENT = torch.tensor(
    [[1.0, -2.0, 0.5, 3.0], [0.0, 0.25, -1.5, 2.0], [4.0, 1.0, 1.0, -3.0]], dtype=torch.float64
)
TEACHER = torch.tensor(
    [[2.0, -1.0, 0.0, 5.0], [1.0, -0.5, -2.0, 0.5], [0.5, 6.0, 2.0, -4.0]], dtype=torch.float64
)
LABELS = torch.tensor([3, 0, 0])
PUBLISHED = {1.0: 0.2589307871374231, 2.0: 0.24464418222261922, 4.0: 0.2286369748202821}
"""What the authors' own function says of these logits, by base temperature."""


def loss_of(settings, student, teacher):
    batch = Batch(torch.zeros(3, 3, 8, 8), LABELS, torch.arange(3))
    return training_method(settings)(Seen(student), Seen(teacher), batch, epoch=1)


@pytest.mark.parametrize("temperature", PUBLISHED)
@pytest.mark.parametrize("alpha", [0.25, 1.0])
def test_the_loss_is_the_authors_own(temperature, alpha):
    loss = loss_of(LOGIT_STD(alpha, temperature), STUDENT, TEACHER)
    labels_part = cross_entropy(STUDENT, LABELS).item()
    expected = (1 - alpha) * labels_part + alpha * PUBLISHED[temperature]
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_neither_shift_nor_scale_of_logits_matters_to_the_teachers_part():
    moved = loss_of(LOGIT_STD(1.0, 2.0), 3 * STUDENT - 7, 0.2 * TEACHER + 1)
    assert moved.item() == pytest.approx(PUBLISHED[2.0], rel=1e-5)


def test_rows_have_mean_0_and_deviation_1_and_equal_logits_are_no_division_by_zero():
    rows = standardized(STUDENT)
    assert torch.allclose(rows.mean(1), torch.zeros(3, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(rows.std(1), torch.ones(3, dtype=torch.float64), atol=1e-6)
    assert torch.equal(standardized(torch.ones(1, 4)), torch.zeros(1, 4))


def test_a_student_is_trained_by_it_and_otherwise_than_by_plain_logits(tmp_path):
    network = Network("resnet8x4", 0.125, image_size=8)
    teacher = Network("cifar_resnet20", 0.5, image_size=8)
    data = DataConfig("digits", image_size=8, train_limit=200, validation_limit=60)
    setup = StudySetup(data, TeacherConfig(teacher, TrainTeacher(Schedule(1, 0.01))), seed=1)
    with Workbench(setup, tmp_path) as bench:
        trained = {}
        for name in ("logit", "logit_std"):
            distill = Distill(1, 0.01, method=METHODS[name](0.9, 2.0))
            student = StudentConfig(network, (distill,), seed=1)
            found = bench.train_student(student, lambda _: Verdict.GO_ON)
            assert isinstance(found, TrainedStudent)
            trained[name] = found.weights.read_bytes()
    assert trained["logit"] != trained["logit_std"]
