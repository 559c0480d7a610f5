"""What holds of every method of distillation: odd batches, and training that is interrupted."""

import pytest
import torch

from objectives.chain.cache import Draft
from objectives.data import AS_ALWAYS, Batch, Mixed, load_data
from objectives.models import initialised_model
from objectives.training import AskedTeacher, Seen, TrainingGround, TrainingRun, train
from objectives.training import training_method as trained_by
from objectives.training.taps import tapping
from spaces import (
    METHODS,
    DataConfig,
    Dkd,
    Dml,
    Hint,
    Method,
    MultiLevel,
    Network,
    Schedule,
    Views,
)

STUDENT = Network("resnet8x4", 0.125, image_size=8)
TEACHER = Network("cifar_resnet20", 0.25, image_size=8)

MADE: dict[str, Method] = {name: method() for name, method in METHODS.items()}
MADE["dkd"] = Dkd(warmup_epochs=3)  # An epoch that goes on differs from the first.
MADE["hint in two stages"] = Hint(first_share=0.7)
MADE["multi_level inside out"] = MultiLevel(
    hidden_method="attention", embedding_method="crd", level_order="inside_out"
)
MADE["dml with the teacher"] = Dml("teacher")


def a_method(name, classes):
    method = trained_by(MADE[name])
    method.take_networks(
        lambda: (initialised_model(STUDENT, classes, seed=7), 8),
        lambda: (initialised_model(TEACHER, classes, seed=6), 8),
    )
    return method


@pytest.fixture(scope="module")
def ground():
    torch.set_num_threads(1)
    return TrainingGround(load_data(DataConfig("digits", 8, train_limit=64)), "cpu")


def interrupted(name, ground, folder, stop_after=None, views=AS_ALWAYS, **schedule):
    """Train a fresh student from what lies in `folder`; return its weights and epochs reused."""
    model, method = initialised_model(STUDENT, 10, seed=5), a_method(name, 10)
    teacher = AskedTeacher(initialised_model(TEACHER, 10, seed=6), 8, method)
    asked = teacher if MADE[name].needs_teacher else None
    how = Schedule(3, 0.01, batch_size=32, **schedule)
    run = TrainingRun("distill", how, 3, 8, method, asked, views)
    reused = []

    def after(epoch, _, was_reused):
        reused.append(was_reused)
        return epoch != stop_after

    train(model, run, ground, Draft("key", folder / "entry", folder / "partial"), after)
    return model.state_dict(), reused


@pytest.mark.parametrize("name", MADE)
def test_training_that_was_interrupted_goes_on_to_the_same_bits(name, ground, tmp_path):
    whole, _ = interrupted(name, ground, tmp_path / "whole")
    interrupted(name, ground, tmp_path / "cut", stop_after=1)
    resumed, reused = interrupted(name, ground, tmp_path / "cut")
    assert reused == [True, False, False]
    assert all(torch.equal(resumed[key], weights) for key, weights in whole.items())


@pytest.mark.parametrize("name", ["hint in two stages", "multi_level inside out"])
def test_weights_that_learn_later_than_others_do_so_by_sgd_too(name, ground, tmp_path):
    """Fused, torch's takes no weights with a momentum beside some without."""
    whole, _ = interrupted(name, ground, tmp_path / "whole", optimizer="sgd")
    interrupted(name, ground, tmp_path / "cut", stop_after=1, optimizer="sgd")
    resumed, reused = interrupted(name, ground, tmp_path / "cut", optimizer="sgd")
    assert reused == [True, False, False]
    assert all(torch.equal(resumed[key], weights) for key, weights in whole.items())
    assert not torch.equal(whole["fc.weight"], initialised_model(STUDENT, 10, seed=5).fc.weight)


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize(
    ("classes", "labels"),
    [(2, [0, 1, 1, 0]), (2, [1, 1]), (4, [0, 0, 2]), (4, [3])],
    ids=["two classes", "one of two", "classes missing", "one image"],
)
def test_losses_and_gradients_of_odd_batches_are_finite(name, classes, labels):
    student, teacher = (
        initialised_model(STUDENT, classes, 1),
        initialised_model(TEACHER, classes, 2),
    )
    draws = torch.Generator().manual_seed(0)
    images = torch.randn(len(labels), 3, 8, 8, generator=draws)
    batch = Batch(images, torch.tensor(labels), torch.arange(len(labels)), torch.ones(classes))
    method = a_method(name, classes)
    asked = AskedTeacher(teacher, 8, method)(batch, 1) if MADE[name].needs_teacher else None
    with tapping(student, method.student_taps(student, 8)) as taps:
        seen = Seen(student(images), taps)
    if method.learns:
        method.prepare(seen, asked, torch.arange(4) % classes)
    loss = method(seen, asked, batch, 1)
    loss.backward()
    assert loss.isfinite()
    assert all(weight.grad.isfinite().all() for weight in student.parameters())


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_training_on_mixed_and_coloured_images_goes_on_to_the_same_bits(mix, ground, tmp_path):
    views = Views(mix=mix, jitter=1, teacher_view="own", augment="shift+mirror")
    whole, _ = interrupted("logit", ground, tmp_path / "whole", views=views)
    interrupted("logit", ground, tmp_path / "cut", stop_after=2, views=views)
    resumed, reused = interrupted("logit", ground, tmp_path / "cut", views=views)
    assert reused == [True, True, False]
    assert all(torch.equal(resumed[key], weights) for key, weights in whole.items())
    plain, _ = interrupted("logit", ground, tmp_path / "plain")
    assert not all(torch.equal(plain[key], weights) for key, weights in whole.items())


@pytest.mark.parametrize("name", MADE)
def test_of_mixed_images_the_loss_has_both_labels_or_the_method_says_that_it_needs_one(name):
    """The labels' part is linear in the share, and nothing else may depend on labels."""
    student, teacher = initialised_model(STUDENT, 4, 1), initialised_model(TEACHER, 4, 2)
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    labels, others = torch.tensor([0, 1, 2, 3]), torch.tensor([2, 0, 3, 1])
    method = a_method(name, 4).eval()
    taps = method.student_taps(student, 8)

    def loss(labels, mixed=None):
        batch = Batch(images, labels, torch.arange(4), mixed=mixed)
        asked = AskedTeacher(teacher, 8, method)(batch, 1) if MADE[name].needs_teacher else None
        with torch.no_grad(), tapping(student, taps) as tapped:
            seen = Seen(student(images), tapped)
            if method.learns and not list(method.parameters()):
                torch.manual_seed(0)
                method.prepare(seen, asked, labels)
                method.eval()
            return method(seen, asked, batch, 1).item()

    student.eval()
    mixed = loss(labels, Mixed(others, 0.3))
    linear = 0.3 * loss(labels) + 0.7 * loss(others)
    assert (mixed == pytest.approx(linear, rel=1e-5)) or MADE[name].needs_labels
