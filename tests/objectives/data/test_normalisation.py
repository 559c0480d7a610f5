import numpy as np
import pytest
from PIL import Image

from objectives.data import load_data
from spaces import DataConfig, InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    draws = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir()
        for number in range(6):
            pixels = draws.integers(0, 256, (10, 10, 3), dtype=np.uint8)
            pixels[..., 2] //= 2
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def loaded(folder, **settings):
    return load_data(DataConfig(f"imagefolder:{folder}", 8, **settings))


@pytest.mark.parametrize(
    ("settings", "mean", "std", "words"),
    [
        ({}, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "by ImageNet's mean and deviation"),
        ({"mean": "none"}, (0, 0, 0), (1, 1, 1), "not normalised, pixels in [0, 1]"),
        ({"mean": 0.5, "std": 0.25}, (0.5,) * 3, (0.25,) * 3, "by mean 0.5 0.5 0.5 and deviation"),
        (
            {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 1)},
            (0.1, 0.2, 0.3),
            (0.4, 0.5, 1),
            "normalised by mean 0.1 0.2 0.3 and deviation 0.4 0.5 1",
        ),
    ],
)
def test_images_are_normalised_by_what_is_asked_for_and_that_is_said(
    folder, settings, mean, std, words
):
    data = loaded(folder, **settings)
    assert (data.mean, data.std) == (mean, std)
    assert words in data.described
    pixels = data.splits["test"].images.double().numpy() / 255
    expected = (pixels - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    np.testing.assert_allclose(data.images("test", 8), expected, atol=1e-5)


def test_the_data_sets_own_are_those_of_its_training_images(folder):
    data = loaded(folder, mean="dataset", std="dataset")
    pixels = data.splits["train"].images.double().numpy() / 255
    assert data.mean == pytest.approx(pixels.mean((0, 2, 3)), abs=1e-6)
    assert data.std == pytest.approx(pixels.std((0, 2, 3)), abs=1e-6)
    assert "normalised by the training images' own mean 0." in data.described
    shown = data.images("train", 8)
    np.testing.assert_allclose(shown.mean((0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(shown.std((0, 2, 3)), 1, atol=1e-4)


def test_a_set_that_has_its_own_keeps_it_until_asked(folder):
    digits = load_data(DataConfig("digits", 8))
    assert "normalised by the set's own mean and deviation" in digits.described
    imagenet = load_data(DataConfig("digits", 8, mean="imagenet"))
    assert imagenet.mean == loaded(folder).mean
    assert imagenet.fingerprint != digits.fingerprint


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mean": 0.5}, "given together, .* got mean 0.5 and std not set"),
        ({"std": (0.5, 0.5, 0.5)}, "got mean not set and std"),
        ({"mean": "dataset", "std": 0.5}, "got mean 'dataset' and std 0.5"),
        ({"mean": "none", "std": "dataset"}, "got mean 'none' and std 'dataset'"),
    ],
)
def test_mean_and_deviation_go_together(folder, settings, words):
    with pytest.raises(InputError, match=words):
        loaded(folder, **settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mean": 123.7, "std": 58.4}, r"mean must be in \[0, 1\], of pixels in \[0, 1\]"),
        ({"mean": 0.5, "std": 0}, r"std must be in \(0, 1\]"),
        ({"mean": (0.5, 0.5)}, "mean must be a number, three"),
        ({"std": "own"}, "or one of dataset, imagenet, none, got 'own'"),
        ({"mean": True}, "got True"),
    ],
)
def test_what_is_no_mean_or_deviation_is_refused(settings, words):
    with pytest.raises(InputError, match=words):
        DataConfig("digits", **settings)


def test_images_without_deviation_cannot_be_normalised_by_it(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / name / f"{number}.png")
    with pytest.raises(InputError, match="no deviation to be normalised by"):
        loaded(tmp_path, mean="dataset")
