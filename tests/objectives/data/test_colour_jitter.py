import pytest
import torch
from torchvision.transforms.v2 import functional

from objectives.data.colour_jitter import ColourChange, ColourJitter
from objectives.seeding import generator

KINDS = (
    (functional.adjust_brightness, 1, 0.4),
    (functional.adjust_contrast, 1, 0.4),
    (functional.adjust_saturation, 1, 0.4),
    (functional.adjust_hue, 0, 0.1),
)
"""torchvision's function, what changes nothing, and the most at strength 1."""


@pytest.fixture(scope="module")
def images():
    images = torch.randint(0, 256, (32, 3, 8, 8), generator=generator("x"), dtype=torch.uint8)
    images[:4] = images[:4, :1]  # Grey ones have no hue.
    return images


@pytest.mark.parametrize("kind", range(4))
@pytest.mark.parametrize("strength", [0.5, 1.0, 2.0])
def test_each_image_is_changed_by_its_own_draw_as_torchvision_changes_one(images, kind, strength):
    directions = ColourChange.drawn(len(images), generator("d")).directions
    changed = ColourChange(directions, (kind,))(images, strength)
    change, still, most = KINDS[kind]
    for image, got, direction in zip(images, changed, directions[kind].tolist(), strict=True):
        expected = 255 * change(image / 255, still + strength * most * direction)
        assert (got - expected).abs().max() < 0.501  # It is rounded.


def test_colours_change_in_the_order_that_was_drawn(images):
    directions = torch.full((4, len(images)), 0.9)
    brighter_first, hue_first = (
        ColourChange(directions, order)(images, 1.0) for order in ((0, 1, 2, 3), (3, 2, 1, 0))
    )
    assert not torch.equal(brighter_first, hue_first)
    orders = {ColourChange.drawn(1, generator("order", number)).order for number in range(100)}
    assert len(orders) > 20


def test_it_is_decided_by_its_draws_and_strength_0_is_nothing(images):
    before = images.clone()
    first, again = (ColourJitter()(images, generator("a")) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(images, before)
    assert not torch.equal(ColourJitter()(images, generator("b")), first)
    assert ColourJitter(0)(images, generator("a")) is images


def test_of_many_images_each_is_changed_as_alone(images, monkeypatch):
    change = ColourChange.drawn(len(images), generator("c"))
    whole = change(images, 0.7)
    monkeypatch.setattr("objectives.data.colour_jitter._CHUNK", 2)
    assert len(images) > 2
    assert torch.equal(change(images, 0.7), whole)
