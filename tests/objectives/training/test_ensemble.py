"""Several teachers as one."""

import pytest
import torch
from torch import nn

from objectives.models import initialised_model
from objectives.training import AskedTeacher, MeanOfTeachers, training_method
from spaces import METHODS, Hint, InputError, Logit, Network


class Says(nn.Module):
    def __init__(self, logits):
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, images):
        return self.logits.expand(len(images), -1)


def test_its_probabilities_are_the_mean_of_its_members():
    # Softmax of (0, 0) is (1/2, 1/2), of (ln 3, 0) is (3/4, 1/4): the mean is (5/8, 3/8).
    model = MeanOfTeachers([(Says([0.0, 0.0]), 8), (Says([1.0986123, 0.0]), 8)])
    logits = model(torch.zeros(2, 3, 8, 8))
    expected = torch.tensor([[0.625, 0.375]] * 2)
    torch.testing.assert_close(logits.softmax(1), expected)
    torch.testing.assert_close(logits.exp(), expected)


def test_what_a_member_is_sure_of_leaves_nothing_that_is_not_finite():
    model = MeanOfTeachers([(Says([1000.0, 0.0]), 8), (Says([0.0, 1000.0]), 8)])
    logits = model(torch.zeros(1, 3, 8, 8))
    torch.testing.assert_close(logits.softmax(1), torch.tensor([[0.5, 0.5]]))


def test_every_member_sees_images_of_its_own_size():
    seen = []

    class Looks(Says):
        def forward(self, images):
            seen.append(images.shape[-1])
            return super().forward(images)

    MeanOfTeachers([(Looks([0.0, 1.0]), 8), (Looks([0.0, 1.0]), 24)])(torch.zeros(1, 3, 16, 16))
    assert seen == [8, 24]


def test_a_method_of_inner_tensors_is_refused_in_one_line_and_one_of_logits_is_not():
    members = [(initialised_model(Network("resnet8x4", 0.25), 3, seed), 16) for seed in (0, 1)]
    teacher = MeanOfTeachers(members)
    AskedTeacher(teacher, 16, training_method(Logit()))
    for kind in ("hint", "attention", "rkd", "crd"):
        with pytest.raises(InputError) as caught:
            AskedTeacher(teacher, 16, training_method(METHODS[kind]()))
        assert str(caught.value) == (
            f"{kind} looks at its teacher's layers, and an ensemble has none of its own: let it "
            "learn from one network, or by a method of logits"
        )
    nested = MeanOfTeachers([(teacher, 16), members[0]])
    with pytest.raises(InputError, match="an ensemble has none of its own"):
        AskedTeacher(nested, 16, training_method(Hint()))
