import math

import numpy as np
import pytest

from objectives.metrics import evaluation, log_probabilities

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
