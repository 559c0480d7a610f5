"""Pixels as people see them; every picture is dark left and bright right unless it says else."""

import numpy as np
import pytest
from PIL import Image, ImageCms

from objectives.data import load_data
from spaces import DataConfig, InputError

SIZE = 16


def halves(left, right, mode="RGB"):
    image = Image.new(mode, (SIZE, SIZE), left)
    image.paste(right, (SIZE // 2, 0, SIZE, SIZE))
    return image


def decoded(tmp_path, image, name="picture.png", white_level=None, **options):
    """Return the middle colours of the left and right half, as a study would hold them, [2, 3]."""
    for kind in ("a", "b"):
        (tmp_path / kind).mkdir(parents=True, exist_ok=True)
        for number in range(5):
            image.save(tmp_path / kind / f"{number}-{name}", **options)
    data = load_data(DataConfig(f"imagefolder:{tmp_path}", SIZE, white_level=white_level))
    pixels = data.splits["train"].images[0]
    return pixels[:, SIZE // 2, [SIZE // 4, 3 * SIZE // 4]].T.tolist(), data


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm"])
def test_deep_grey_keeps_its_range(tmp_path, name):
    levels = np.full((SIZE, SIZE), 10 * 257, dtype=np.uint16)
    levels[:, SIZE // 2 :] = 100 * 257
    shown, data = decoded(tmp_path, Image.fromarray(levels), name)
    assert shown == [[10] * 3, [100] * 3]
    assert "10 in grey of more than 8 bits, the brightest pixel at 39 % of white" in data.described


def test_a_camera_of_12_bits_has_its_own_white(tmp_path):
    levels = np.full((SIZE, SIZE), 273, dtype=np.uint16)
    levels[:, SIZE // 2 :] = 4095
    dark, data = decoded(tmp_path, Image.fromarray(levels))
    assert dark == [[1] * 3, [16] * 3]
    assert "at 6 % of white ([data] white_level sets another)" in data.described
    shown, _ = decoded(tmp_path, Image.fromarray(levels), white_level=4095)
    assert shown == [[17] * 3, [255] * 3]
    with pytest.raises(
        InputError, match=r"10 images cannot .*grey levels of 273 to 4095, expected 0"
    ):
        decoded(tmp_path, Image.fromarray(levels), white_level=1023)


def test_float_grey_is_of_0_to_1_or_named(tmp_path):
    levels = np.full((SIZE, SIZE), 0.2, dtype=np.float32)
    levels[:, SIZE // 2 :] = 0.8
    shown, _ = decoded(tmp_path, Image.fromarray(levels), "a.tif")
    assert shown == [[51] * 3, [204] * 3]
    with pytest.raises(InputError, match=r"0-a\.tif \(grey levels of 200 to 800, expected 0 to 1"):
        decoded(tmp_path, Image.fromarray(levels * 1000), "a.tif")


@pytest.mark.parametrize(("orientation", "bright"), [(1, "right"), (3, "left"), (6, "bottom")])
def test_images_stand_as_their_exif_says(tmp_path, orientation, bright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = halves((0, 0, 0), (250, 250, 250))
    _, data = decoded(tmp_path, image, "a.jpg", exif=exif, quality=100)
    pixels = data.splits["train"].images[0].float()
    sides = {
        "left": pixels[..., : SIZE // 4].mean(),
        "right": pixels[..., -SIZE // 4 :].mean(),
        "bottom": pixels[:, -SIZE // 4 :].mean(),
    }
    assert max(sides, key=sides.get) == bright


@pytest.mark.parametrize(
    "broken", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01", b"\xff" * 40]
)
def test_an_exif_that_cannot_be_read_leaves_the_image_as_it_is(tmp_path, broken):
    """As facebookresearch/meshrcnn #55 and huggingface/datasets #7668 met them."""
    shown, _ = decoded(tmp_path, halves("black", "white"), "a.jpg", exif=broken, quality=100)
    assert shown == [[0] * 3, [255] * 3]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (halves((0, 0, 0, 0), (0, 0, 255, 255), "RGBA"), [[255, 255, 255], [0, 0, 255]]),
        (halves((0, 0, 0, 255), (0, 0, 0, 51), "RGBA"), [[0] * 3, [204] * 3]),
        (halves((0, 0), (90, 255), "LA"), [[255] * 3, [90] * 3]),
    ],
    ids=["transparent", "half transparent", "grey"],
)
def test_what_is_transparent_shows_white(tmp_path, image, expected):
    shown, data = decoded(tmp_path, image)
    assert shown == expected
    assert "10 transparent, shown on white" in data.described


def test_a_palette_with_a_transparent_colour_shows_white(tmp_path):
    image = halves((9, 9, 9), (200, 0, 0)).quantize(4)
    dark = image.getpixel((0, 0))
    shown, _ = decoded(tmp_path, image, transparency=dark)
    assert shown == [[255] * 3, [200, 0, 0]]
    shown, data = decoded(tmp_path, image)
    assert shown == [[9] * 3, [200, 0, 0]]
    assert "transparent" not in data.described


def test_opaque_alpha_changes_nothing_and_is_not_told(tmp_path):
    shown, data = decoded(tmp_path, halves((10, 20, 30, 255), (40, 50, 60, 255), "RGBA"))
    assert shown == [[10, 20, 30], [40, 50, 60]]
    assert "transparent" not in data.described


def test_inks_are_shown_as_colours(tmp_path):
    image = halves((255, 255, 0, 0), (0, 0, 255, 0), "CMYK")  # blue and yellow
    (left, right), _ = decoded(tmp_path, image, "a.jpg", quality=100, subsampling=0)
    assert left[2] > 200
    assert left[0] < 60
    assert right[0] > 200
    assert right[2] < 60


def test_a_profile_of_no_inks_does_not_stop_an_image_of_inks(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = halves((0, 0, 0, 255), (0, 0, 0, 0), "CMYK")
    (left, right), _ = decoded(tmp_path, image, "a.tif", icc_profile=profile)
    assert left == [0, 0, 0]
    assert right == [255, 255, 255]


def test_the_first_frame_of_an_animation_is_taken(tmp_path):
    first, second = halves((0, 0, 0), (90, 90, 90)), halves((90, 90, 90), (0, 0, 0))
    for name in ("a.gif", "a.png", "a.tif"):
        shown, _ = decoded(tmp_path / name, first, name, save_all=True, append_images=[second])
        assert shown == [[0] * 3, [90] * 3]


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_plain_images_are_as_they_are(tmp_path, mode):
    shown, data = decoded(
        tmp_path, halves(0, 255, mode) if mode != "RGB" else halves("black", "white")
    )
    assert shown == [[0] * 3, [255] * 3]
    assert data.described.endswith("normalised by ImageNet's mean and deviation")
