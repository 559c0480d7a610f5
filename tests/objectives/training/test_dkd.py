"""Decoupled knowledge distillation: the published loss, its warm-up and where it asks nobody."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from objectives.training.methods.divergences import softened_divergence
from spaces import Dkd, InputError
from tests.objectives.training.known_logits import (
    LABELS,
    STUDENT,
    TEACHER,
    loss_of,
    taught,
)

PUBLISHED = {
    (1.0, 8.0, 4.0): 8.868573837443723,
    (1.0, 0.0, 4.0): 1.491142865341338,
    (0.0, 1.0, 4.0): 0.9221788715127982,
    (1.0, 2.0, 1.0): 1.5599175888150285,
    (0.5, 4.0, 10.0): 5.131482913804891,
}
"""What the authors' own function says of these logits, by alpha, beta and temperature."""


@pytest.mark.parametrize("settings", PUBLISHED)
def test_the_teachers_part_is_the_authors_own(settings):
    assert taught(Dkd(*settings)) == pytest.approx(PUBLISHED[settings], rel=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_its_parts_add_up_to_plain_distillation(temperature):
    """KL(p || q) = TCKD + (1 - p_y) NCKD, of each image: equation 6."""
    for image in range(3):
        one = (STUDENT[image : image + 1], TEACHER[image : image + 1], LABELS[image : image + 1])
        own, others = (
            taught(Dkd(*weights, temperature), *one) for weights in ((1.0, 0.0), (0.0, 1.0))
        )
        sure = (one[1] / temperature).softmax(1)[0, LABELS[image]].item()
        plain = softened_divergence(*one[:2], temperature).item()
        assert own + (1 - sure) * others == pytest.approx(plain, rel=1e-12)


def test_the_teachers_part_grows_over_the_warm_up_and_is_whole_after_it():
    whole = PUBLISHED[1.0, 8.0, 4.0]
    shares = [taught(Dkd(warmup_epochs=4), epoch=epoch) / whole for epoch in (1, 2, 3, 4, 5, 400)]
    assert shares == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])


def test_without_either_weight_the_labels_are_all_there_is():
    alone = Dkd(0.0, 0.0)
    assert not alone.needs_teacher
    assert alone.in_words == "labels alone"
    assert torch.equal(loss_of(alone), cross_entropy(STUDENT, LABELS))
    assert Dkd(0.0, 1.0).needs_teacher
    assert Dkd(1.0, 0.0).needs_teacher
    assert Dkd().in_words == "dkd, alpha 1, beta 8, temperature 4, warmup_epochs 1"
    for idle in ({"temperature": 2.0}, {"warmup_epochs": 2}):
        with pytest.raises(InputError, match="does not apply here"):
            Dkd(0.0, 0.0, **idle)
