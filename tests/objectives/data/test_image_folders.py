import os
import re
import shutil
import sys

import numpy as np
import pytest
from PIL import Image, features

from objectives.data import load_data
from spaces import DataConfig, InputError

CLASSES = ("c0", "c1", "c2")


def fill(folder, count=6, ending=".png", classes=CLASSES):
    """Write `count` images a class: of one grey level each, the class number times ten."""
    for kind, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.new("RGB", (12, 12), (10 * kind,) * 3).save(folder / name / f"i{number}{ending}")
    return folder


def loaded(folder, **settings):
    return load_data(DataConfig(f"imagefolder:{folder}", 8, **settings))


def counts(data):
    return {name: len(split.labels) for name, split in data.splits.items()}


def refused(folder, **settings):
    with pytest.raises(InputError) as caught:
        loaded(folder, **settings)
    words = str(caught.value)
    assert words
    assert "\n" not in words
    return words


def test_what_systems_and_notebooks_leave_is_neither_class_nor_image(tmp_path):
    fill(tmp_path, classes=(*CLASSES, ".ipynb_checkpoints", "__MACOSX"))
    (tmp_path / "c1" / "._i0.png").write_bytes(b"a resource fork")
    (tmp_path / "c1" / ".ipynb_checkpoints").mkdir()
    shutil.copy(tmp_path / "c0" / "i0.png", tmp_path / "c1" / ".ipynb_checkpoints")
    for name in (".DS_Store", "Thumbs.db", "c0/thumbs.db", "c2/desktop.ini"):
        (tmp_path / name).write_bytes(b"left")
    data = loaded(tmp_path)
    assert data.class_names == CLASSES
    assert sum(counts(data).values()) == 18
    assert "ignored" not in data.described


def test_files_that_are_not_taken_are_counted_by_ending(tmp_path):
    fill(tmp_path)
    for number in range(4):
        (tmp_path / "c0" / f"{number}.XML").write_text("<annotation/>")
    assert loaded(tmp_path).described.endswith("; 4 files ignored: .xml")
    (tmp_path / "c1" / "LICENSE").write_text("free")
    (tmp_path / "labels.csv").write_text("a,b")
    shutil.copy(tmp_path / "c0" / "i0.png", tmp_path / "cover.png")
    assert loaded(tmp_path).described.startswith("3 classes, 18 images (11 train, 3 validation, 4 ")
    assert loaded(tmp_path).described.endswith(
        "; 7 files ignored: 1 .csv, 1 .png outside class folders, 4 .xml, 1 without ending"
    )


@pytest.mark.parametrize(
    "ending", [".jfif", ".jpe", ".JPEG", ".tif", ".TIFF", ".webp", ".bmp", ".gif", ".avif"]
)
def test_usual_endings_are_taken(tmp_path, ending):
    if ending == ".avif" and not features.check("avif"):
        pytest.skip("Pillow reads no AVIF here")
    data = loaded(fill(tmp_path, ending=ending))
    assert sum(counts(data).values()) == 18
    assert "ignored" not in data.described


def test_every_unreadable_image_is_named_by_path_at_once(tmp_path):
    fill(tmp_path)
    cut, empty, text = (tmp_path / each for each in ("c1/i3.png", "c0/i0.png", "c2/i5.png"))
    pixels = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(cut)
    cut.write_bytes(cut.read_bytes()[:200])
    empty.write_bytes(b"")
    text.write_text("not found")
    words = refused(tmp_path)
    assert words.startswith("3 images cannot be read; mend or remove: ")
    assert all(str(path) in words for path in (cut, empty, text))
    assert "i1.png" not in words


@pytest.mark.skipif(sys.platform == "win32", reason="fifos")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (getattr(os, "mkfifo", None), "(a fifo, not a file)"),
        (lambda path: path.symlink_to("/dev/zero"), "(a device, not a file)"),
        (lambda path: path.symlink_to("nowhere"), "(No such file or directory)"),
        (lambda path: path.write_bytes(b"P6 60000 60000 255\n"), "could be decompression bomb"),
        (
            lambda path: Image.new("1", (1, 3_000_000)).save(path, "TIFF", compression="group4"),
            "(1 x 3000000 pixels are too narrow to be resized)",
        ),
        (
            lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
            "cannot identify image file",
        ),
    ],
    ids=["fifo", "device", "broken link", "bomb", "narrow", "program"],
)
def test_what_is_no_file_or_no_photograph_is_named_and_not_decoded(tmp_path, make, words):
    fill(tmp_path)
    path = tmp_path / "c1" / "i3.png"
    path.unlink()
    make(path)
    said = refused(tmp_path)
    assert said.startswith(f"1 image cannot be read; mend or remove: {path} (")
    assert words in said


@pytest.mark.parametrize(
    "name", [b"caf\xe9", b"c1/caf\xe9.png", b"c1/caf\xe9/a.png", b"caf\xe9.txt"]
)
def test_names_that_are_no_text_are_refused_before_anything_is_read(tmp_path, name):
    """A study of such a class failed after training, when its report was written."""
    fill(tmp_path)
    path = tmp_path / os.fsdecode(name)
    try:
        if path.suffix:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"")
        else:
            fill(path.parent, classes=(path.name,))
    except OSError:
        pytest.skip("names are text here")
    assert re.search(r"holds names that are not UTF-8: rename caf\\udce9", refused(tmp_path))


def test_classes_that_are_too_small_for_the_splits_are_named(tmp_path):
    fill(tmp_path)
    for number in range(2, 6):
        (tmp_path / "c1" / f"i{number}.png").unlink()
    words = refused(tmp_path)
    assert "train, test, validation need 3 images of every class" in words
    assert "c1 (2)" in words
    assert "c0" not in words
    for path in (tmp_path / "c2").iterdir():
        path.unlink()
    (tmp_path / "c2" / "a.heic").write_bytes(b"an iPhone's")
    words = refused(tmp_path)
    assert "holds no images of class c2: known endings are" in words
    assert "1 file ignored: .heic" in words


def test_a_split_without_a_class_is_said(tmp_path):
    fill(tmp_path, 60, classes=CLASSES[1:])
    data = loaded(fill(tmp_path, 6, classes=CLASSES[:1]), train_limit=6)
    assert "no train image of class c0" in data.described


def test_a_path_that_is_none_or_nothing_is_told(tmp_path):
    for name in ("imagefolder:", "imagefolder:  "):
        with pytest.raises(InputError, match="must say which folder, as imagefolder:PATH"):
            DataConfig(name)
    packed = tmp_path / "images.zip"
    packed.write_bytes(b"PK")
    assert f"{packed} is no folder: expected" in refused(packed)
    assert "is not there: expected a folder" in refused(tmp_path / "elsewhere")
    inner = fill(tmp_path / "unpacked" / "images")
    assert refused(inner.parent).endswith("expected two class folders or more, got images")


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "val", "test"),
        ("Training", "Valid", "TESTING"),
        ("training_set", "dev", "test-set"),
        ("TRAIN", "validation images", "Test_Data"),
    ],
)
def test_split_folders_have_their_usual_names_in_any_capitals(tmp_path, train, validation, test):
    fill(tmp_path / train, 6)
    fill(tmp_path / validation, 3)
    fill(tmp_path / test, 2)
    (tmp_path / "annotations").mkdir()
    data = loaded(tmp_path)
    assert data.class_names == CLASSES
    assert counts(data) == {"train": 18, "validation": 9, "test": 6}
    assert "folders ignored beside the splits: annotations" in data.described


def test_a_validation_folder_leaves_the_training_images_whole_but_for_a_test_share(tmp_path):
    fill(tmp_path / "train", 10)
    fill(tmp_path / "val", 4)
    assert counts(loaded(tmp_path)) == {"train": 24, "validation": 12, "test": 6}
    assert counts(loaded(tmp_path, held_back_from="unseen", test_fraction=0.5)) == {
        "train": 30,
        "validation": 6,
        "test": 6,
    }


def test_a_class_may_be_called_train(tmp_path):
    data = loaded(fill(tmp_path, classes=("bus", "test", "train")))
    assert data.class_names == ("bus", "test", "train")
    (tmp_path / "train" / "steam").mkdir()  # sorted further
    (tmp_path / "train" / "i0.png").rename(tmp_path / "train" / "steam" / "i0.png")
    again = loaded(tmp_path)
    assert again.class_names == data.class_names
    assert counts(again) == counts(data)


def test_splits_that_do_not_go_together_are_refused(tmp_path):
    fill(tmp_path / "val")
    fill(tmp_path / "test")
    assert "has no folder of training images (train/), only test, val" in refused(tmp_path)
    fill(tmp_path / "train")
    fill(tmp_path / "validation")
    assert "several folders for one split: val, validation" in refused(tmp_path)
    shutil.rmtree(tmp_path / "validation")
    (tmp_path / "test" / "c1").rename(tmp_path / "test" / "c9")
    assert refused(tmp_path).endswith(
        "must hold the classes of the training images: it lacks c1 and alone has c9"
    )


def test_an_empty_class_of_a_split_shifts_no_labels_but_is_named(tmp_path):
    """As huggingface/pytorch-image-models #957 met it: other classes took its place."""
    fill(tmp_path / "train")
    fill(tmp_path / "val")
    for path in (tmp_path / "val" / "c0").iterdir():
        path.unlink()
    assert f"{tmp_path / 'val'} holds no images of class c0: known endings" in refused(tmp_path)
    fill(tmp_path / "test")
    (tmp_path / "test" / "c2").rename(tmp_path / "test" / "c7")
    words = refused(tmp_path)  # the faults of all splits at once
    assert f"{tmp_path / 'val'} holds no images of class c0" in words
    assert f"{tmp_path / 'test'} must hold the classes of the training images" in words


def test_a_folder_of_validation_images_can_be_named_for_any_set(tmp_path):
    fill(tmp_path / "images")
    fill(tmp_path / "held", 2)
    data = loaded(tmp_path / "images", validation=str(tmp_path / "held"))
    assert counts(data) == {"train": 14, "validation": 6, "test": 4}
    fill(tmp_path / "split" / "train")
    fill(tmp_path / "split" / "val", 1)
    data = loaded(tmp_path / "split", validation=str(tmp_path / "held"))
    assert counts(data)["validation"] == 6
    assert "the set's own validation images are not used" in data.described
    digits = fill(tmp_path / "drawn", 1, classes=[str(digit) for digit in range(10)])
    data = load_data(DataConfig("digits", 8, validation=str(digits)))
    assert counts(data)["validation"] == 10
    assert data.labels("validation").tolist() == list(range(10))
    words = refused(tmp_path / "images", validation=str(digits))
    assert "it lacks c0, c1, c2 and alone has 0, 1" in words
    assert "no folder" in refused(tmp_path / "images", validation=str(tmp_path / "nowhere"))


def level_of_class(data, name):
    """Return the grey level that `fill` gave the images that carry the label of `name`."""
    label = data.class_names.index(name)
    return int(data.splits["train"].images[data.splits["train"].labels == label].float().mean())


def test_numeric_names_are_sorted_as_numbers_if_all_are(tmp_path):
    data = loaded(fill(tmp_path / "all", classes=("1", "2", "10")))
    assert data.class_names == ("1", "2", "10")
    assert [level_of_class(data, name) for name in data.class_names] == [0, 10, 20]
    assert "class folders in the order of numbers: 1, 2, 10" in data.described
    data = loaded(fill(tmp_path / "some", classes=("1", "2", "10", "other")))
    assert data.class_names == ("1", "10", "2", "other")
    assert "order" not in data.described


def test_the_order_of_the_classes_is_the_users_list_or_file(tmp_path):
    folder = fill(tmp_path / "images")
    wanted = ("c2", "c0", "c1")
    names = tmp_path / "names.txt"
    names.write_text("\ufeffc2\r\nc0 \n\nc1\n", "utf-8")
    for classes in (wanted, str(names)):
        data = loaded(folder, classes=classes)
        assert data.class_names == wanted
        assert [level_of_class(data, name) for name in CLASSES] == [0, 10, 20]
    assert loaded(folder, classes=wanted).fingerprint != loaded(folder).fingerprint
    reversed_digits = tuple(str(digit) for digit in reversed(range(10)))
    (plain, zeros), (turned, again) = (
        (data, data.splits["train"].images[data.splits["train"].labels == label].float().mean(0))
        for data, label in (
            (load_data(DataConfig("digits", 8)), 0),
            (load_data(DataConfig("digits", 8, classes=reversed_digits)), 9),
        )
    )
    assert (plain.class_names, turned.class_names) == (reversed_digits[::-1], reversed_digits)
    assert (zeros - again).abs().mean() < 4  # other zeros, and no nines


def test_names_that_are_no_classes_and_classes_without_a_name_are_refused_in_one_line(tmp_path):
    folder = fill(tmp_path / "images")
    words = refused(folder, classes=("c0", "c1", "cat"))
    assert "must name every class once: the set has no class cat; left out c2" in words
    names = tmp_path / "names.txt"
    names.write_text("c0\nc0\n")
    assert "must be two or more different names, got 'c0' twice" in refused(
        folder, classes=str(names)
    )
    assert "must be a text file with one class a line" in refused(folder, classes="nowhere.txt")
    for classes in (("c0",), ("c0", ""), (1, 2), ["a", "a"], "", 3):
        with pytest.raises(InputError, match=r"classes must be|must be two or more different"):
            DataConfig("digits", classes=classes)
