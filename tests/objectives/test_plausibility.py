"""Teachers that cannot be right, by what they say of labelled images."""

import numpy as np
import pytest

from objectives.plausibility import doubt_of


def said(labels, accuracy, classes, seed=0):
    """A teacher that is right on a share of images, and says any class of the others."""
    draws = np.random.default_rng(seed)
    wrong = draws.random(len(labels)) >= accuracy
    return np.where(wrong, draws.integers(0, classes, len(labels)), labels)


def names(classes):
    return [str(number) for number in range(classes)]


def labels_of(images, classes):
    return np.sort(np.arange(images) % classes)


@pytest.mark.parametrize(("classes", "images"), [(2, 200), (10, 400), (100, 400)])
@pytest.mark.parametrize("accuracy", [0.5, 0.97, 1.0])
def test_an_honest_teacher_is_not_doubted(classes, images, accuracy):
    labels = labels_of(images, classes)
    for seed in range(10):
        assert doubt_of(labels, said(labels, accuracy, classes, seed), names(classes)) is None


@pytest.mark.parametrize(("classes", "images"), [(3, 36), (10, 400), (100, 400)])
def test_classes_in_another_order_are_told_with_the_order(classes, images):
    labels = labels_of(images, classes)
    # Folders sort as text; the teacher was trained with numbers in their order.
    in_text_order = sorted(names(classes)) if classes > 3 else ["2", "0", "1"]
    outputs = np.array([int(name) for name in in_text_order])
    guesses = outputs[said(labels, 0.95, classes)]
    doubt = doubt_of(labels, guesses, in_text_order)
    assert doubt is None if in_text_order == names(classes) else doubt is not None
    if doubt is not None:
        assert doubt.sure
        listed = doubt.words.partition("write [data] classes = ")[2]
        right = [f'"{name}"' for name in names(classes)]
        found = listed.strip("[]").split(", ")
        assert np.mean(np.array(found) == right) > 0.9


def test_two_classes_in_the_place_of_each_other_are_found():
    labels = labels_of(400, 10)
    guesses = np.array([0, 2, 1, *range(3, 10)])[said(labels, 0.9, 10)]
    doubt = doubt_of(labels, guesses, list("abcdefghij"))
    assert doubt is not None
    assert '["a", "c", "b", "d"' in doubt.words


@pytest.mark.parametrize("guess", ["any", "one", "next"])
def test_a_teacher_that_guesses_is_doubted_and_of_many_images_for_sure(guess):
    for images in (30, 400):
        labels = labels_of(images, 10)
        guesses = said(labels, 0.0, 10) if guess == "any" else np.full(images, 7)
        if guess == "next":  # Never right, and in no other order either.
            guesses = (labels + 1 + np.arange(images) % 8) % 10
        doubt = doubt_of(labels, guesses, names(10))
        assert doubt is not None
        assert "no better than guessing among 10 classes" in doubt.words
        assert doubt.sure == (images == 400)


def test_the_commonest_class_of_uneven_ones_is_guessing_too():
    labels = np.repeat([0, 1], [360, 40])
    assert doubt_of(labels, np.zeros(400, dtype=int), ["many", "few"]) is not None
    assert doubt_of(labels, said(labels, 0.9, 2), ["many", "few"]) is None


def test_of_no_images_nothing_is_said():
    assert doubt_of(np.zeros(0, dtype=int), np.zeros(0, dtype=int), ["a", "b"]) is None
