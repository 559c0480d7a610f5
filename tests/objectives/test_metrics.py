import itertools
import math

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from objectives.metrics import (
    calibration_error,
    evaluation,
    log_probabilities,
    mutual_information,
)

# Predictions 0 0 1 1 0 of classes 0 0 0 1 2: by hand, precision 2/3 1/2 0, recall 2/3 1 0.
LOGITS = np.array([[9, 0, 0], [9, 0, 0], [0, 9, 0], [0, 9, 0], [9, 0, 0]], dtype=np.float32)
LABELS = np.array([0, 0, 0, 1, 2])


def _scored(teacher):
    return evaluation(LOGITS, LABELS, teacher, split="test", size_bytes=7)


def test_measures_are_those_worked_out_by_hand():
    scored = _scored(log_probabilities(LOGITS))
    assert (scored.accuracy, scored.images, scored.size_bytes) == (0.6, 5, 7)
    assert scored.precision == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert scored.recall == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert scored.f1 == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert scored.confusion == ((2, 1, 0), (0, 1, 0), (1, 0, 0))
    assert scored.kl_to_teacher == pytest.approx(0, abs=1e-12)


def test_divergence_is_from_the_teacher_to_the_artifact():
    teacher = np.log(np.full((5, 3), 1 / 3))
    total = math.log(math.exp(9) + 2)
    expected = -math.log(3) - (-total * 2 + 9 - total) / 3
    assert _scored(teacher).kl_to_teacher == pytest.approx(expected)


def test_huge_logits_stay_finite():
    assert np.isfinite(log_probabilities(np.array([[1e30, -1e30, 0]], dtype=np.float32))).all()


def drawn(seed, images, classes, scale):
    draws = np.random.default_rng(seed)
    return log_probabilities(scale * draws.normal(size=(images, classes)))


def test_mutual_information_is_that_of_the_mean_outer_product_summed_term_by_term():
    teacher, student = drawn(1, 20, 4, 3.0), drawn(2, 20, 4, 2.0)
    joint = [[np.mean(np.exp(teacher[:, t] + student[:, s])) for s in range(4)] for t in range(4)]
    total = 0.0
    for t, s in itertools.product(range(4), range(4)):
        row, column = sum(joint[t]), sum(joint[k][s] for k in range(4))
        total += joint[t][s] * math.log2(joint[t][s] / (row * column))
    assert mutual_information(teacher, student) == pytest.approx(total, abs=1e-12)


def test_mutual_information_of_certain_predictions_is_that_of_the_classes():
    draws = np.random.default_rng(3)
    said = draws.integers(0, 5, 300)
    again = np.where(draws.random(300) < 0.7, said, draws.integers(0, 5, 300))
    certain = [log_probabilities(1e4 * np.eye(5)[classes]) for classes in (said, again)]
    assert mutual_information(*certain) * math.log(2) == pytest.approx(
        mutual_info_score(said, again)
    )


def test_mutual_information_of_a_symmetric_channel_is_one_bit_less_its_entropy():
    teacher = log_probabilities(1e4 * np.eye(2)[[0, 1] * 50])
    student = np.log(np.where(np.exp(teacher) > 0.5, 0.9, 0.1))
    entropy = -0.9 * math.log2(0.9) - 0.1 * math.log2(0.1)
    assert mutual_information(teacher, student) == pytest.approx(1 - entropy)
    assert mutual_information(teacher, teacher) == pytest.approx(1)
    constant = np.log(np.full((100, 2), 0.5))
    assert mutual_information(teacher, constant) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("scale", "theirs"), [(1.0, 0.2697160542), (3.0, 0.1588417888), (10.0, 0.2905648053)]
)
def test_calibration_error_is_that_of_the_published_code(scale, theirs):
    """What _ECELoss of gpleiss/temperature_scaling, by an author of the paper, says of these."""
    draws = np.random.default_rng(5)
    for each in (1.0, 3.0, 10.0):
        logits = each * draws.normal(size=(200, 7))
        right, other = draws.random(200) < 0.6, draws.integers(0, 7, 200)
        if each == scale:
            labels = np.where(right, logits.argmax(1), other)
            assert calibration_error(log_probabilities(logits), labels) == pytest.approx(
                theirs, abs=1e-6
            )


def test_calibration_error_by_hand():
    says = np.log([[0.8, 0.2], [0.8, 0.2], [0.6, 0.4], [0.5, 0.5]])
    # Of two sure by 0.8 one is right, that of 0.6 is wrong, that of 0.5 is right.
    found = calibration_error(says, np.array([0, 1, 1, 0]))
    assert found == pytest.approx(2 / 4 * 0.3 + 1 / 4 * 0.6 + 1 / 4 * 0.5)
    certain = log_probabilities(1e4 * np.eye(3)[[0, 1, 2]])
    assert calibration_error(certain, np.array([0, 1, 2])) == 0


def test_every_evaluation_has_both():
    scored = _scored(np.log(np.full((5, 3), 1 / 3)))
    assert scored.mutual_information == pytest.approx(0, abs=1e-12)
    assert scored.calibration_error == pytest.approx(0.4, abs=1e-3)  # All sure, 3 of 5 right.
