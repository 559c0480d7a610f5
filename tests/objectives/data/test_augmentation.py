import pytest
import torch
from PIL import Image

from objectives.data import TrainingImages, load_data
from objectives.data.augmentation import InTurn, RandomCrop, ShiftAndMirror, augmentation_for
from objectives.data.randaugment import RandAugment
from objectives.seeding import generator
from spaces import DataConfig, InputError

NAMES = ["shift", "mirror", "crop", "randaugment", "jitter"]


@pytest.fixture(scope="module")
def images():
    return torch.randint(0, 256, (64, 3, 16, 16), generator=generator("x"), dtype=torch.uint8)


@pytest.mark.parametrize("mirror", [False, True])
def test_augmentation_is_a_crop_and_a_mirror_of_each_image(mirror):
    images = torch.randint(0, 256, (16, 3, 5, 5), generator=generator("x"), dtype=torch.uint8)
    changed = ShiftAndMirror(border=2, mirror=mirror)(images, generator("draws"))
    mirrored_some = False
    for image, result in zip(images, changed, strict=True):
        padded = torch.nn.functional.pad(image, [2] * 4)
        crops = [padded[:, y : y + 5, x : x + 5] for y in range(5) for x in range(5)]
        plain = any(torch.equal(result, crop) for crop in crops)
        flipped = any(torch.equal(result, crop.flip(-1)) for crop in crops)
        assert plain or (mirror and flipped)
        mirrored_some |= flipped and not plain
    assert mirrored_some is mirror


@pytest.mark.parametrize("name", NAMES)
def test_what_is_named_is_decided_by_its_draws_alone(images, name):
    augment = augmentation_for(DataConfig("digits", 16, augment=name), mirror=False)
    assert augment is not None
    before = images.clone()
    torch.manual_seed(0)
    first = augment(images, generator("a"))
    torch.manual_seed(1)
    assert torch.equal(augment(images, generator("a")), first)
    assert not torch.equal(augment(images, generator("b")), first)
    assert first.dtype == torch.uint8
    assert first.shape == images.shape
    assert torch.equal(images, before)
    changed = (first != images).flatten(1).any(1)
    assert changed.sum() > 16  # each image by its own draw, most of them


def test_a_crop_is_a_window_of_the_image_enlarged():
    ramp = torch.arange(16, dtype=torch.uint8).mul(16)
    images = ramp.expand(200, 3, 16, 16).contiguous()  # brighter from left to right
    cropped = RandomCrop()(images, generator("crop")).double()
    assert torch.equal(cropped, cropped[:, :, :1].expand_as(cropped))  # rows stay alike
    rows = cropped[:, 0, 0]
    assert (rows.diff(dim=1) >= 0).all()
    shown = (rows[:, -1] - rows[:, 0]) / (15 * 16)  # the window's width, as a share
    assert shown.min() > 0.35  # at least a quarter of the area, at most 4/3 as tall as wide
    assert shown.max() <= 1
    assert shown.max() - shown.min() > 0.3
    whole = RandomCrop(least_area=1.0, most_stretch=1.0)(images, generator("crop"))
    assert torch.equal(whole, images)


def test_randaugment_makes_of_one_image_what_torchvision_makes_of_it(images):
    """Every image is changed by itself, by operations that torchvision's RandAugment has."""
    from torchvision.transforms.v2 import RandAugment as Theirs

    one = (images[:1] * 0.8 + 20).to(torch.uint8)  # so that contrast and solarizing tell
    ours = RandAugment(changes=1)(one.expand(400, -1, -1, -1), generator("many"))
    torch.manual_seed(0)
    theirs = torch.cat([Theirs(num_ops=1, magnitude=9)(one) for _ in range(400)])
    ours, theirs = (torch.unique(each, dim=0).int() for each in (ours, theirs))
    assert len(ours) == len(theirs) == 23  # nine under two signs, five alone
    for image in ours:  # their magnitudes are rounded to 32 bits, so a level may be another
        assert (image - theirs).abs().flatten(1).amax(1).min() <= 1


def test_names_come_in_turn_and_nothing_is_nothing(images):
    both = augmentation_for(DataConfig("digits", 16, augment=("crop", "mirror")), mirror=False)
    draws = generator("turn")
    expected = ShiftAndMirror(0, mirror=True)(RandomCrop()(images, draws), draws)
    assert isinstance(both, InTurn)
    assert torch.equal(both(images, generator("turn")), expected)
    for nothing in (False, "none"):
        data = load_data(DataConfig("digits", 16, train_limit=40, views=3, augment=nothing))
        assert data.augmentation is None
        assert data.fixed_views == 1
        assert torch.equal(data.view(5), data.splits["train"].images)


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(("left", "right")):
        (tmp_path / name).mkdir()
        for each in range(8):
            image = Image.new("RGB", (16, 16), "black")
            image.paste((255, 40 * number, 20 * each), (0, 0, 8, 16))  # its left half
            image.save(tmp_path / name / f"{each}.png")
    return tmp_path


def brighter_on_the_right(folder, augment):
    config = DataConfig(f"imagefolder:{folder}", 16, augment=augment, mean="none")
    batch = next(TrainingImages(load_data(config), "cpu").batches(1, 64, generator("epoch")))
    return int((batch.images[:, 0, :, 12].mean(1) > 0.5).sum())


def test_image_folders_are_mirrored_by_asking_and_not_else(folder):
    assert brighter_on_the_right(folder, True) == 0
    assert brighter_on_the_right(folder, "shift") == 0
    assert brighter_on_the_right(folder, "mirror") > 0
    assert brighter_on_the_right(folder, ("shift", "mirror")) > 0


@pytest.mark.parametrize(
    "augment", ["flip", ["shift", "flip"], [], ["none", "crop"], ["crop", "crop"], 1, None]
)
def test_what_is_no_augmentation_is_refused_with_what_there_is(augment):
    with pytest.raises(InputError, match="augment must be true, false, or one or several of none"):
        DataConfig("digits", augment=augment)
