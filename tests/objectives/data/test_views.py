"""What student and teacher see, batch by batch, and when the teacher's logits may be looked up."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from objectives.data import Batch, TrainingImages, load_data, recorded_images
from objectives.data.mixing import mixed
from objectives.seeding import generator
from spaces import DataConfig, Views

DATA = DataConfig("digits", 16, train_limit=80, augment="shift")


@pytest.fixture(scope="module")
def data():
    return load_data(DATA)


def batches(data, views, epoch=1):
    """Return the batches of an epoch, of 32 images."""
    return list(TrainingImages(data, "cpu").batches(epoch, 32, generator("x", epoch), views))


def seen_by_teacher(batch):
    return batch.images if batch.teacher_images is None else batch.teacher_images


def test_who_mixes_nothing_sees_what_was_seen_before_there_was_mixing(data):
    draws, train = generator("x", 1), data.splits["train"].images
    order = torch.randperm(len(train), generator=draws)
    for batch, chosen in zip(batches(data, Views()), torch.split(order, 32), strict=True):
        assert torch.equal(batch.positions, chosen)
        assert torch.equal(batch.images, data.normalise(data.augmentation(train[chosen], draws)))
        assert (batch.teacher_images, batch.mixed) == (None, None)


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_mixed_images_are_of_the_batches_that_others_see_and_draws_decide_them(data, mix):
    views = Views(mix=mix, teacher_view="own")
    apart = batches(data, replace(views, mix="none"))
    shares = []
    for batch, again, plain in zip(batches(data, views), batches(data, views), apart, strict=True):
        assert torch.equal(batch.images, again.images)
        assert torch.equal(batch.positions, plain.positions)
        assert torch.equal(batch.labels, plain.labels)
        share = batch.mixed.share
        shares.append(share)
        partners = partners_of(batch, plain)
        assert torch.equal(partners.sort().values, torch.arange(len(partners)))
        assert torch.equal(batch.mixed.labels, plain.labels[partners])
        ours, theirs = plain.teacher_images, plain.teacher_images[partners]
        if mix == "mixup":
            expected = share * ours + (1 - share) * theirs
            torch.testing.assert_close(batch.teacher_images, expected)
        else:
            box = (batch.images != plain.images).any(1).any(0)
            rows, columns = box.any(1).nonzero(), box.any(0).nonzero()
            rows, columns = (slice(one.min(), one.max() + 1) for one in (rows, columns))
            inside = torch.zeros_like(box)
            inside[rows, columns] = True
            assert share == pytest.approx(1 - inside.double().mean().item())
            assert torch.equal(batch.teacher_images, torch.where(inside, theirs, ours))
        for images in (batch.images, batch.teacher_images):
            assert images.is_contiguous(memory_format=torch.channels_last)
    assert len(set(shares)) == len(shares)


def partners_of(batch, plain):
    """Return with which image of the batch each was mixed, found by looking at all of them."""
    own, share = plain.images, batch.mixed.share
    pairs = share * own[:, None] + (1 - share) * own[None]
    blended = (batch.images[:, None] - pairs).abs().flatten(2).amax(2)
    pasted = (batch.images[:, None] != own[:, None]) & (batch.images[:, None] != own[None])
    # Of two that fit, as most of an image is the same black, the one that explains more.
    like = (batch.images[:, None] != own[None]).flatten(2).sum(2) / 1e6
    return torch.minimum(blended, pasted.flatten(2).sum(2) + like).argmin(1)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_are_of_the_beta_distribution(alpha):
    """Of Beta(a, a): mean 1/2, variance 1 / (4 (2a + 1)), and as much below a half as above."""
    batch = Batch(torch.zeros(2, 3, 4, 4), torch.tensor([0, 1]), torch.arange(2))
    draws = generator("shares")
    views = Views(mix="mixup", mix_alpha=alpha)
    shares = torch.tensor([mixed(batch, views, draws).mixed.share for _ in range(4000)])
    assert shares.mean().item() == pytest.approx(0.5, abs=0.02)
    assert shares.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.06)


def test_the_teachers_view_is_the_students_the_plain_image_or_its_own(data):
    train = data.splits["train"].images
    student = [batch.images for batch in batches(data, Views())]
    for view in ("plain", "own"):
        views = Views(teacher_view=view)
        first, again = batches(data, views), batches(data, views)
        for batch, twin, images in zip(first, again, student, strict=True):
            assert torch.equal(batch.images, images)
            assert torch.equal(batch.teacher_images, twin.teacher_images)
            plain = data.normalise(train[batch.positions])
            assert torch.equal(batch.teacher_images, plain) == (view == "plain")
            assert not torch.equal(batch.teacher_images, images)


def test_colours_are_the_students_or_the_teachers_or_equal_where_they_are_equally_strong(data):
    plain = batches(data, Views())
    both = batches(data, Views(jitter=1, teacher_jitter=1))
    students = batches(data, Views(jitter=1))
    teachers = batches(data, Views(teacher_jitter=1))
    for none, equal, student, teacher in zip(plain, both, students, teachers, strict=True):
        assert not torch.equal(equal.images, none.images)
        assert equal.teacher_images is None
        assert torch.equal(student.images, equal.images)
        assert torch.equal(student.teacher_images, none.images)
        assert torch.equal(teacher.images, none.images)
        assert torch.equal(teacher.teacher_images, equal.images)


def test_a_stages_own_augmentation_takes_the_place_of_the_datas(data):
    for batch in batches(data, Views(augment="none")):
        train = data.splits["train"].images[batch.positions]
        assert torch.equal(batch.images, data.normalise(train))
    changed = zip(batches(data, Views(augment="shift+mirror")), batches(data, Views()), strict=True)
    for ours, before in changed:
        assert torch.equal(ours.positions, before.positions)
        assert not torch.equal(ours.images, before.images)


@pytest.mark.parametrize(("augment", "count"), [("shift", 0), ("shift", 2), (False, 0)])
def test_logits_are_looked_up_exactly_where_the_teacher_sees_the_recorded_images(augment, count):
    data = load_data(replace(DATA, augment=augment, views=count))
    recorded = {
        "plain": [data.splits["train"].images],
        "views": [data.view(number) for number in range(data.fixed_views)],
    }
    for mix, own, view, ours, theirs in product(
        ("none", "mixup"), ("data", "none", "shift"), ("same", "plain", "own"), (0, 1), (0, 1)
    ):
        if view == "plain" and theirs:
            continue
        views = Views(mix=mix, augment=own, teacher_view=view, jitter=ours, teacher_jitter=theirs)
        shown = {name: True for name, images in recorded.items() if images}
        for epoch in (1, 2, 3):
            for batch in batches(data, views, epoch):
                for name in shown:
                    of_epoch = recorded[name][(epoch - 1) % len(recorded[name])]
                    expected = data.normalise(of_epoch[batch.positions])
                    shown[name] &= torch.equal(seen_by_teacher(batch), expected)
        found = recorded_images(views, data)
        assert shown[found] if found is not None else not any(shown.values()), views
