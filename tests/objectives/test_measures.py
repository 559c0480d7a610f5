"""What networks are judged by, against scikit-learn and closed forms."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from objectives.measures import MEASURES, confusion

DRAWS = np.random.default_rng(7)
LABELS = DRAWS.choice(4, 500, p=[0.7, 0.2, 0.07, 0.03])
GUESSES = np.where(DRAWS.random(500) < 0.7, LABELS, DRAWS.choice(4, 500))


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("accuracy", accuracy_score),
        ("balanced_accuracy", balanced_accuracy_score),
        ("f1", lambda labels, guesses: f1_score(labels, guesses, average="macro")),
    ],
)
def test_a_measure_is_what_others_compute(name, twin):
    counts = confusion(LABELS, GUESSES, 4)
    assert MEASURES[name].of(counts) == pytest.approx(twin(LABELS, GUESSES), abs=1e-12)


def test_a_class_that_is_not_there_counts_for_nothing_in_balanced_accuracy():
    assert MEASURES["balanced_accuracy"].of(np.array([[1, 1, 0], [0, 4, 0], [0, 0, 0]])) == 0.75


def test_a_class_that_is_not_there_and_never_guessed_is_0_in_f1():
    assert MEASURES["f1"].of(np.array([[2, 0], [0, 0]])) == 0.5


@pytest.mark.parametrize("name", MEASURES)
def test_of_even_classes_all_images_count(name):
    assert MEASURES[name].images_worth(np.array([50, 50, 50])) == 150


def test_balanced_accuracy_knows_as_much_as_its_rarest_class_lets_it():
    """The variance of a difference, by many draws, is that of accuracy on so many images."""
    images = np.array([900, 80, 20])
    worth = MEASURES["balanced_accuracy"].images_worth(images)
    assert worth == round(9 / (1 / 900 + 1 / 80 + 1 / 20))
    shares = [DRAWS.binomial(count, 0.2, 20_000) / count for count in images]
    assert np.mean(shares, axis=0).var() == pytest.approx(0.2 * 0.8 / worth, rel=0.05)
