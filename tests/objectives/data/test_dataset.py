import numpy as np
import pytest
import torch
from PIL import Image

from objectives.data import TrainingImages, load_data
from objectives.seeding import generator
from spaces import DataConfig, InputError, UnknownNameError

DIGITS = DataConfig("digits", image_size=16)


@pytest.fixture(scope="module")
def digits():
    return load_data(DIGITS)


def test_splits_are_disjoint_stratified_and_complete(digits):
    sizes = {name: len(split.labels) for name, split in digits.splits.items()}
    assert sizes == {"train": 1150, "validation": 288, "test": 359}
    whole = torch.cat([split.images for split in digits.splits.values()])
    assert len(torch.unique(whole.flatten(1), dim=0)) == 1797  # all of them, each once
    for name, count in sizes.items():
        shares = np.bincount(digits.labels(name), minlength=10) / count
        assert shares == pytest.approx([0.1] * 10, abs=0.006)


def test_the_same_config_gives_the_same_data_and_any_change_another_fingerprint(digits):
    assert load_data(DIGITS).fingerprint == digits.fingerprint
    prints = {
        load_data(config).fingerprint
        for config in (
            DataConfig("digits", image_size=8),
            DataConfig("digits", image_size=16, split_seed=1),
            DataConfig("digits", image_size=16, train_limit=100),
            DataConfig("digits", image_size=16, calibration_images=64),
        )
    }
    assert len(prints | {digits.fingerprint}) == 5


def test_limits_take_a_stratified_part():
    data = load_data(DataConfig("digits", 8, train_limit=100, validation_limit=20, test_limit=30))
    assert [len(split.labels) for split in data.splits.values()] == [100, 20, 30]
    assert np.bincount(data.labels("train")).tolist() == pytest.approx([10] * 10, abs=1)


def test_images_are_normalised_and_calibration_is_of_the_training_split(digits):
    images = digits.images("validation", 16)
    assert images.dtype == np.float32
    assert images.flags.c_contiguous
    pixels = digits.splits["validation"].images.double().numpy() / 255
    expected = (pixels - np.reshape(digits.mean, (3, 1, 1))) / np.reshape(digits.std, (3, 1, 1))
    np.testing.assert_allclose(images, expected, atol=1e-5)
    train = {image.tobytes() for image in digits.images("train", 16)}
    calibration = digits.calibration(16)
    assert len(calibration) == DIGITS.calibration_images
    assert all(image.tobytes() in train for image in calibration)


def test_an_epoch_shows_every_image_once_in_an_order_of_its_draws(digits):
    images = TrainingImages(digits, "cpu")
    first, again, other = (
        list(images.batches(1, 64, generator(purpose))) for purpose in ("a", "a", "b")
    )
    positions = torch.cat([batch.positions for batch in first])
    assert torch.equal(positions.sort().values, torch.arange(len(images)))
    assert len(first) == images.steps(64)
    for one, same, different in zip(first, again, other, strict=True):
        assert torch.equal(one.images, same.images)
        assert not torch.equal(one.images, different.images)
        assert torch.equal(one.labels, digits.splits["train"].labels[one.positions])


def test_a_last_batch_of_one_image_is_left_out(digits):
    images = TrainingImages(digits, "cpu")
    batches = list(images.batches(1, len(images) - 1, generator("order")))
    assert len(batches) == images.steps(len(images) - 1) == 1


def test_fixed_views_come_round_and_differ():
    data = load_data(DataConfig("digits", image_size=8, train_limit=40, views=2))
    images = TrainingImages(data, "cpu")

    def shown(epoch):
        batch = next(images.batches(epoch, 40, generator(epoch)))
        return batch.images[batch.positions.argsort()]

    assert torch.equal(shown(1), shown(3))
    assert not torch.equal(shown(1), shown(2))
    assert torch.equal(shown(2), data.normalise(data.view(1)))


@pytest.fixture
def folder(tmp_path):
    draws = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(10):
            pixels = draws.integers(0, 256, (20, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    return tmp_path


def test_a_folder_of_images_is_a_data_set(folder):
    data = load_data(DataConfig(f"imagefolder:{folder}", image_size=8))
    assert data.class_names == ("cat", "dog")
    assert [len(split.labels) for split in data.splits.values()] == [13, 3, 4]
    assert data.splits["train"].images.shape == (13, 3, 8, 8)


def test_what_is_not_there_is_one_line(folder, tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy"):  # nothing answers: no download can succeed
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    broken = folder / "broken"
    for name in ("cat", "dog"):
        (broken / name).mkdir(parents=True)
        for number in range(5):
            (broken / name / f"{number}.png").write_bytes(b"not an image")
    for name, words in [
        ("digit", "unknown data set 'digit': known are digits"),
        ("cifar10", "neither in .* nor can it be downloaded"),
        ("imagefolder:nowhere", "is not there: expected a folder"),
        (f"imagefolder:{folder / 'cat'}", "holds no images by class"),
        (f"imagefolder:{broken}", "cannot be read"),
    ]:
        with pytest.raises(InputError, match=words) as caught:
            load_data(DataConfig(name, image_size=8, root=str(tmp_path / "root")))
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "root").exists()
    with pytest.raises(UnknownNameError):
        load_data(DataConfig("digit"))
