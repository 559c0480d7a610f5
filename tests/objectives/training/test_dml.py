"""Mutual learning: the closed form, and the peer, which is made, trained, kept and thrown away."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from objectives import Verdict, Workbench, check_setup
from objectives.data import Batch, resized
from objectives.models import initialised_model
from objectives.training import METHODS as TRAINED
from objectives.training import Seen, logits_of, training_method
from spaces import (
    METHODS,
    SCHEMES,
    Adapt,
    DataConfig,
    Distill,
    Dml,
    InputError,
    Network,
    Schedule,
    StudentConfig,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
)
from tests.objectives.interrupted import trained_whole_and_cut
from tests.objectives.models import users_networks
from tests.objectives.training.waves import waves

LOGITS, GUIDE = waves(3, 4, step=0.4), waves(3, 4, step=0.9)
LABELS = torch.tensor([3, 0, 0])
BATCH = Batch(torch.zeros(3, 3, 8, 8), LABELS, torch.arange(3))
TO_STUDENT, TO_PEER = 0.2902212640883214, 0.30522067888182963
"""KL(peer || student) and KL(student || peer) of LOGITS and GUIDE by the formula of the code of
Zhang et al. 2018, in numpy, with its 1e-8."""

SIZE = 16
STUDENT = Network("resnet8x4", 0.125, image_size=SIZE)
TEACHER = Network("cifar_resnet20", 0.25, image_size=8)
DATA = DataConfig("digits", SIZE, train_limit=100, validation_limit=40, test_limit=20)
SETUP = StudySetup(DATA, TeacherConfig(TEACHER, TrainTeacher(Schedule(1, 0.01))), seed=1)


class Says(nn.Module):
    """Gives the logits it is made with, and remembers the size of the images it saw."""

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(logits.clone())

    def forward(self, images):
        self.seen = images.shape[2:]
        self.images = images
        return self.logits


def between(settings, student=LOGITS, peer=GUIDE, size=8, batch=BATCH):
    """Return the loss, and the leaves of what both networks said."""
    method, peer, ours = training_method(settings), Says(peer), student.clone().requires_grad_()
    method.take_networks(lambda: (peer, size), lambda: (peer, size))
    return method(Seen(ours), None, batch, epoch=1), ours, peer


def softmax(logits, row):
    """By hand: floats and no torch."""
    powers = [2.718281828459045 ** float(value) for value in logits[row]]
    return [power / sum(powers) for power in powers]


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_the_loss_is_the_published_one(weight):
    labels_part = -sum(
        torch.tensor(softmax(logits, row)[label]).log().item() / 3
        for logits in (LOGITS, GUIDE)
        for row, label in enumerate(LABELS)
    )
    loss, *_ = between(Dml(weight=weight))
    expected = labels_part + weight * (TO_STUDENT + TO_PEER)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_each_network_moves_towards_labels_and_the_other_which_is_a_constant_to_it():
    """The gradient by a network's own logits is (2 s - onehot - p) / b, by hand."""
    loss, ours, peer = between(Dml())
    loss.backward()
    for leaf, own, other in ((ours, LOGITS, GUIDE), (peer.logits, GUIDE, LOGITS)):
        for row, label in enumerate(LABELS.tolist()):
            s, p = softmax(own, row), softmax(other, row)
            expected = [(2 * s[j] - (j == label) - p[j]) / 3 for j in range(4)]
            assert leaf.grad[row].tolist() == pytest.approx(expected, abs=1e-9)


def test_a_temperature_softens_both_and_keeps_the_size_of_gradients():
    plain, *_ = between(Dml(), LOGITS / 3, GUIDE / 3)
    labels, *_ = between(Dml(weight=1e-9), LOGITS / 3, GUIDE / 3)
    soft, *_ = between(Dml(temperature=3))
    same, *_ = between(Dml(weight=1e-9))
    assert (soft - same).item() == pytest.approx(9 * (plain - labels).item(), rel=1e-6)


def test_the_peer_sees_the_batchs_images_at_its_own_size():
    *_, peer = between(Dml(), size=6)
    assert peer.seen == (6, 6)


def test_the_teacher_as_peer_sees_what_the_teacher_is_to_see():
    apart = replace(BATCH, teacher_images=torch.ones(3, 3, 8, 8))
    for settings, sees in ((Dml(), 0), (Dml("teacher"), 1)):
        *_, peer = between(settings, batch=apart)
        assert peer.images.unique().tolist() == [sees]
    *_, peer = between(Dml("teacher"))
    assert peer.images is BATCH.images


def test_it_says_in_words_what_it_does_and_asks_a_teacher_only_for_its_peer():
    assert Dml().in_words == "dml with a fresh peer, weight 1, temperature 1"
    assert Dml("teacher", 2, 4).in_words == "dml with the teacher as peer, weight 2, temperature 4"
    assert (Dml().needs_teacher, Dml("teacher").needs_teacher) == (False, True)
    with pytest.raises(InputError, match="peer must be one of fresh, teacher, got 'student'"):
        Dml("student")


@pytest.fixture
def made(monkeypatch):
    """Keep every method that trains, and what its peer began with."""
    kept = []

    class Watched(TRAINED["dml"]):
        def take_networks(self, sibling, teacher):
            super().take_networks(sibling, teacher)
            self.first = {key: value.clone() for key, value in self.peer.state_dict().items()}
            kept.append(self)

    monkeypatch.setitem(TRAINED, "dml", Watched)
    return kept


def same(ours, theirs):
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


def learned(method):
    """Say whether the peer's weights moved, all of them."""
    weights = dict(method.peer.named_parameters())
    return not any(torch.equal(method.first[name], value) for name, value in weights.items())


def go_on(_):
    return Verdict.GO_ON


def test_a_fresh_peer_is_another_student_and_no_teacher_is_trained(made, tmp_path):
    chain = StudentConfig(STUDENT, (Distill(2, 0.01, method=Dml()),), seed=1)
    with Workbench(SETUP, tmp_path) as bench:
        trained = bench.train_student(chain, go_on)
        assert not bench.cache.has(bench.keys.teacher())
    (method,) = made
    assert learned(method)
    fresh = initialised_model(STUDENT, 10, seed=0).state_dict()
    assert method.first.keys() == fresh.keys() == load_file(trained.weights).keys()
    assert not same(method.peer.state_dict(), load_file(trained.weights))
    again = replace(chain, seed=2)
    with Workbench(SETUP, tmp_path) as bench:
        bench.train_student(again, go_on)
    assert not same(made[0].first, made[1].first)


def test_the_teacher_as_peer_goes_on_learning_and_stays_as_it_is_for_others(made, tmp_path):
    chain = StudentConfig(STUDENT, (Distill(2, 0.01, method=Dml("teacher")),), seed=1)
    with Workbench(SETUP, tmp_path) as bench:
        teacher = bench.teacher(go_on)
        before = load_file(teacher.weights)
        bench.train_student(chain, go_on)
        (method,) = made
        assert same(method.first, before)
        assert learned(method)
        network = initialised_model(TEACHER, 10, seed=0)
        network.load_state_dict(before)
        images = resized(bench.data.tensor("validation", "cpu"), TEACHER.image_size)
        expected = logits_of(network, images).log_softmax(1)
        said = bench.teacher_log_probabilities("validation")
        np.testing.assert_allclose(said, expected.numpy(), atol=1e-4)


@pytest.mark.parametrize("peer", ["fresh", "teacher"])
def test_a_chain_that_was_stopped_goes_on_to_the_same_bits(peer, made, tmp_path):
    stages = (Distill(2, 0.01, method=Dml(peer)), Adapt(2, 0.005, rank=2, lora_alpha=4))
    student = StudentConfig(STUDENT, stages, seed=1)
    whole, trained = trained_whole_and_cut(SETUP, student, tmp_path)
    assert trained.weights.read_bytes() == whole.weights.read_bytes()
    if peer == "fresh":  # To teach an adapter it begins with what the adapter begins with.
        distilled = load_file(trained.bases["adapter"])
        assert same(made[-1].first, distilled)


@pytest.mark.parametrize("peer", ["fresh", "teacher"])
def test_it_is_tried_before_a_study_begins_and_changes_neither_network(peer, made):
    networks = [STUDENT, Network(f"{users_networks.__name__}:plain", image_size=SIZE)]
    check_setup(SETUP, networks, SCHEMES, [Distill(method=METHODS["dml"](peer))])
    assert len(made) == 2
    assert all(same(method.first, method.peer.state_dict()) for method in made)
