import pytest

from objectives import split_gap_in_words


def test_a_teacher_that_knows_its_validation_images_is_told_with_what_to_do():
    words = split_gap_in_words(0.898, 0.667, 10_000, 10_000)
    assert words is not None
    assert "89.8 % of 10,000 validation images and 66.7 % of 10,000 test images" in words
    assert "23.1 points apart" in words
    assert "[data] validation = PATH" in words
    assert 'held_back_from = "unseen"' in words


def test_a_test_that_is_easier_is_told_otherwise():
    words = split_gap_in_words(0.6, 0.9, 500, 500)
    assert words is not None
    assert "harder" in words
    assert "trained on the validation images" not in words


@pytest.mark.parametrize(
    ("validation", "test", "images"),
    [
        (0.90, 0.88, 100_000),  # surely a gap, but of two points
        (0.90, 0.80, 40),  # ten points, and no more than chance
        (1.0, 0.95, 20),
        (0.7, 0.7, 10),
        (1.0, 1.0, 10),
        (0.0, 0.0, 10),
    ],
)
def test_chance_and_a_few_points_are_no_news(validation, test, images):
    assert split_gap_in_words(validation, test, images, images) is None
