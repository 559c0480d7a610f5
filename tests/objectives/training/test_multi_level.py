"""Several levels, at once or in turns: the sum of other methods, and the layers it takes."""

from dataclasses import replace

import pytest
import torch

from objectives import TrainedStudent, Verdict, Workbench, check_setup
from objectives.chain.cache import Draft
from objectives.data import Batch, load_data
from objectives.models import initialised_model
from objectives.training import (
    AskedTeacher,
    Seen,
    TrainingGround,
    TrainingRun,
    train,
    training_method,
)
from objectives.training.learning_rate import learning_rate
from objectives.training.taps import tapping
from spaces import (
    SCHEMES,
    Adapt,
    Attention,
    DataConfig,
    Distill,
    Hint,
    InputError,
    Logit,
    MultiLevel,
    Network,
    Rkd,
    Schedule,
    StudentConfig,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
)
from tests.objectives.interrupted import trained_whole_and_cut

SIZE = 16
STUDENT = Network("resnet8x4", 0.125, image_size=SIZE)
TEACHER = Network("cifar_resnet20", 0.5, image_size=SIZE)
DATA = DataConfig("digits", SIZE, train_limit=100, validation_limit=40, test_limit=20)
SETUP = StudySetup(DATA, TeacherConfig(TEACHER, TrainTeacher(Schedule(1, 0.01))), seed=1)
LABELS = torch.arange(6) % 4
BATCH = Batch(
    torch.randn(6, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(3)),
    LABELS,
    torch.arange(6),
    torch.tensor([1.0, 2.0, 0.5, 1.0]),
)


def losses(settings, epochs=1):
    """Return the loss of BATCH in every epoch."""
    student, teacher = initialised_model(STUDENT, 4, 1), initialised_model(TEACHER, 4, 2)
    method = training_method(settings)
    method.epochs = epochs
    told = AskedTeacher(teacher, SIZE, method)(BATCH, 1) if settings.needs_teacher else None
    student.eval()
    with tapping(student, method.student_taps(student, SIZE)) as taps:
        seen = Seen(student(BATCH.images), taps)
    torch.manual_seed(4)
    if method.learns:
        method.prepare(seen, told, LABELS)
    return [method(seen, told, BATCH, epoch).item() for epoch in range(1, epochs + 1)]


def loss(settings):
    return losses(settings)[0]


LABELS_ALONE = loss(Logit(0.0))
OUTPUTS = loss(Logit(0.7, 2.0))
HINT, ATTENTION, RKD = (loss(method()) - LABELS_ALONE for method in (Hint, Attention, Rkd))


@pytest.mark.parametrize(("hidden", "part"), [("hint", HINT), ("attention", ATTENTION)])
def test_together_it_is_the_weighed_sum_of_the_methods(hidden, part):
    settings = MultiLevel(0.7, 2.0, hidden_weight=0.5, hidden_method=hidden, embedding_weight=2.0)
    assert loss(settings) == pytest.approx(OUTPUTS + 0.5 * part + 2 * RKD, rel=1e-5)


def test_a_weight_of_nought_leaves_a_part_out_and_without_any_it_needs_no_teacher():
    only = MultiLevel(0.7, 2.0, hidden_weight=0, embedding_weight=0)
    assert loss(only) == pytest.approx(OUTPUTS, rel=1e-6)
    assert loss(replace(only, hidden_weight=1)) == pytest.approx(OUTPUTS + HINT, rel=1e-5)
    assert loss(replace(only, embedding_weight=1)) == pytest.approx(OUTPUTS + RKD, rel=1e-5)
    inner = MultiLevel(0.0, embedding_weight=0)
    assert inner.needs_teacher
    assert loss(inner) == pytest.approx(LABELS_ALONE + HINT, rel=1e-5)
    nothing = MultiLevel(0.0, hidden_weight=0, embedding_weight=0)
    assert not nothing.needs_teacher
    assert loss(nothing) == pytest.approx(LABELS_ALONE, rel=1e-6)


def test_from_the_inside_out_each_part_has_its_share_of_the_epochs_and_the_outputs_the_last():
    settings = MultiLevel(
        0.7, 2.0, hidden_weight=0.5, embedding_weight=2.0, level_order="inside_out"
    )
    hidden, features = 0.5 * HINT, 2 * RKD
    for epochs, expected in [
        (6, [hidden] * 2 + [features] * 2 + [OUTPUTS] * 2),
        (4, [hidden, features, OUTPUTS, OUTPUTS]),
        (3, [hidden, features, OUTPUTS]),
        (2, [features, OUTPUTS]),
        (1, [OUTPUTS]),
    ]:
        assert losses(settings, epochs) == pytest.approx(expected, rel=1e-4), epochs
    two = replace(settings, embedding_weight=0)
    assert losses(two, 4) == pytest.approx([hidden] * 2 + [OUTPUTS] * 2, rel=1e-4)
    assert losses(replace(two, hidden_weight=0, level_order="together"), 2) == pytest.approx(
        [OUTPUTS] * 2
    )


@pytest.mark.parametrize(
    ("epochs", "turns"),
    [(6, [(1, 2)] * 2 + [(3, 4)] * 2 + [(5, 6)] * 2), (2, [(1, 1), (2, 2)]), (1, [(1, 1)])],
)
def test_the_learning_rate_begins_anew_with_each_turn(epochs, turns, tmp_path, monkeypatch):
    rates = []

    def noted(schedule, step, steps):
        rates.append((step, steps))
        return learning_rate(schedule, step, steps)

    monkeypatch.setattr("objectives.training.loop.learning_rate", noted)
    settings = MultiLevel(level_order="inside_out")
    method = training_method(settings)
    ground = TrainingGround(load_data(DATA), "cpu")
    teacher = AskedTeacher(initialised_model(TEACHER, 10, 2), SIZE, method)
    run = TrainingRun("distill", Schedule(epochs, batch_size=50), 1, SIZE, method, teacher)
    draft = Draft("key", tmp_path / "entry", tmp_path / "partial")
    assert train(initialised_model(STUDENT, 10, 1), run, ground, draft, lambda *_: True)
    assert [method.turn(epoch) for epoch in range(1, epochs + 1)] == turns
    expected = [
        ((epoch - first) * 2 + number, (last - first + 1) * 2)
        for epoch, (first, last) in enumerate(turns, 1)
        for number in range(2)
    ]
    assert rates == expected
    together = training_method(MultiLevel())
    together.epochs = epochs
    assert together.turn(1) == (1, epochs)


def test_every_part_has_layers_of_its_own():
    named = MultiLevel(
        0.7, 2.0, student_layer="layer1", teacher_layer="layer2", teacher_embedding="layer3"
    )
    hint = loss(Hint(student_layer="layer1", teacher_layer="layer2")) - LABELS_ALONE
    rkd = loss(Rkd(teacher_layer="layer3")) - LABELS_ALONE
    assert loss(named) == pytest.approx(OUTPUTS + hint + rkd, rel=1e-5)


def test_a_setting_of_a_part_that_is_left_out_does_not_apply():
    with pytest.raises(InputError, match="hidden_method does not apply here and must stay 'hint'"):
        MultiLevel(hidden_weight=0, hidden_method="attention")
    with pytest.raises(InputError, match="student_embedding does not apply here"):
        MultiLevel(embedding_weight=0, student_embedding="layer1")
    with pytest.raises(InputError, match="level_order does not apply here"):
        MultiLevel(hidden_weight=0, embedding_weight=0, level_order="inside_out")
    with pytest.raises(InputError, match="embedding_method must be one of rkd, crd, got 'hint'"):
        MultiLevel(embedding_method="hint")


def test_it_says_in_words_which_parts_it_has():
    assert MultiLevel().in_words == "multi_level, T 4, alpha 0.9, 1 x hint, 1 x rkd"
    said = MultiLevel(
        0.0, embedding_weight=0, student_layer="layer1", level_order="inside_out"
    ).in_words
    assert said == "multi_level, 1 x hint, student layer layer1, inside_out"
    assert MultiLevel(0.0, hidden_weight=0, embedding_weight=0).in_words == "labels alone"


def refused(method):
    with pytest.raises(InputError) as caught:
        check_setup(SETUP, [STUDENT], SCHEMES, [Distill(method=method)])
    return str(caught.value)


def test_layers_that_cannot_be_are_refused_under_their_own_keys_before_any_training():
    line = refused(MultiLevel(student_embedding="layer9"))
    assert line.startswith(f"{STUDENT.key}: unknown layer of the student 'layer9': known are conv1")
    line = refused(MultiLevel(student_layer="fc"))
    assert "multi_level.student_layer names what gives [4, 10], expected maps [b, c, h, w]" in line
    line = refused(MultiLevel(teacher_embedding="layer1,layer2"))
    assert line.endswith("multi_level.teacher_embedding names 2 layers, to be compared with 1")


@pytest.mark.parametrize(("order", "features"), [("inside_out", "rkd"), ("together", "crd")])
def test_a_chain_that_was_stopped_goes_on_to_the_same_bits(order, features, tmp_path):
    """Layers are named: an adapter's network answers to the names of the network within."""
    method = MultiLevel(student_layer="layer2", teacher_layer="layer2", level_order=order,
                        embedding_method=features)  # fmt: skip
    stages = (Distill(3, 0.01, method=method), Adapt(2, 0.005, rank=2, lora_alpha=4))
    student = StudentConfig(STUDENT, stages, seed=1)
    whole, trained = trained_whole_and_cut(SETUP, student, tmp_path)
    assert trained.weights.read_bytes() == whole.weights.read_bytes()


def test_after_turns_an_adapter_learns_though_no_part_but_the_last_depends_on_it(tmp_path):
    method = MultiLevel(hidden_method="attention", level_order="inside_out")
    stages = (Distill(3, 0.01, method=method), Adapt(3, 0.01, method="classifier_only"))
    with Workbench(SETUP, tmp_path) as bench:
        trained = bench.train_student(StudentConfig(STUDENT, stages, 1), lambda _: Verdict.GO_ON)
    assert isinstance(trained, TrainedStudent)


@pytest.mark.parametrize(
    ("hidden", "layers", "words"),
    [
        ("attention", {"teacher_layer": "fc"}, "teacher_layer names what gives [4, 10], expected"),
        ("hint", {"student_layer": "layer1,layer2", "teacher_layer": "layer1"}, "names 2 layers"),
        ("attention", {"student_layer": "layer1,layer2", "teacher_layer": "layer1"}, "names 2"),
    ],
)
def test_what_cannot_be_compared_is_refused_though_it_is_not_its_turn(hidden, layers, words):
    method = MultiLevel(hidden_method=hidden, level_order="inside_out", **layers)
    with pytest.raises(InputError) as caught:
        check_setup(SETUP, [STUDENT], SCHEMES, [Distill(method=method)])
    assert words in str(caught.value)
