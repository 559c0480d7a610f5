"""Attention transfer: the published loss, and which maps it compares."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from objectives.data import Batch
from objectives.training import Seen, training_method
from spaces import METHODS
from tests.objectives.training.waves import waves

ATTENTION = METHODS["attention"]

SMALL, LARGE = waves(3, 2, 4, 4, step=0.7), waves(3, 5, 8, 8, step=1.3)
EQUAL = waves(3, 5, 4, 4, step=1.3)
LOGITS, GUIDE = waves(3, 4, step=0.4), waves(3, 4, step=0.9)
LABELS = torch.tensor([3, 0, 0])
BATCH = Batch(torch.zeros(3, 3, 8, 8), LABELS, torch.arange(3))
PUBLISHED = {"equal": 0.001383590800361911, "pooled": 0.0023908279083590138}
"""What the code of Tian et al. 2020 says of SMALL and EQUAL, and of SMALL and LARGE."""


def loss_of(settings, student, teacher):
    student = {f"s{number}": maps for number, maps in enumerate(student)}
    teacher = {f"t{number}": maps for number, maps in enumerate(teacher)}
    seen = Seen(LOGITS, student), Seen(GUIDE, teacher)
    return training_method(settings)(*seen, BATCH, epoch=1).item()


@pytest.mark.parametrize("weight", [1000.0, 1.0])
def test_the_loss_is_the_authors_own_summed_over_the_layers(weight):
    labels_part = cross_entropy(LOGITS, LABELS).item()
    for student, teacher, published in (
        ([SMALL], [EQUAL], PUBLISHED["equal"]),
        ([SMALL], [LARGE], PUBLISHED["pooled"]),
        ([LARGE], [SMALL], PUBLISHED["pooled"]),
        ([SMALL, LARGE], [EQUAL, SMALL], sum(PUBLISHED.values())),
        # The last of the student's with the last of the teacher's.
        ([SMALL], [LARGE, EQUAL], PUBLISHED["equal"]),
    ):
        found = loss_of(ATTENTION(weight=weight), student, teacher)
        assert found == pytest.approx(labels_part + weight * published, rel=1e-9)


def test_only_where_a_map_is_large_matters_and_not_how_large():
    settings = ATTENTION(alpha=0.4, temperature=2.0)
    logit = training_method(METHODS["logit"](0.4, 2.0))
    expected = logit(Seen(LOGITS), Seen(GUIDE), BATCH, epoch=1).item()
    assert loss_of(settings, [SMALL], [-3 * SMALL.flip(1)]) == pytest.approx(expected, rel=1e-9)
