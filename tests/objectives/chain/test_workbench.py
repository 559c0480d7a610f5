import math
from dataclasses import replace

import onnxruntime
import pytest

from objectives import DivergedError, StoppedStudent, TrainedStudent, Verdict
from objectives.chain import teachers
from objectives.chain.keys import StageKeys, keys_of_students
from objectives.chain.workbench import Workbench
from objectives.models import initialised_model, save_weights
from objectives.training import METHODS as TRAINED
from spaces import (
    SCHEMES,
    Adapt,
    DataConfig,
    Distill,
    InputError,
    LoadTeacher,
    Logit,
    Network,
    NoTeacher,
    Schedule,
    StudentConfig,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
    student_key,
)

SETUP = StudySetup(
    DataConfig("digits", image_size=8, validation_limit=100, test_limit=60, calibration_images=32),
    TeacherConfig(Network("cifar_resnet20", 0.5, image_size=8), TrainTeacher(Schedule(3, 0.01))),
    seed=1,
)
NETWORK = Network("resnet8x4", 0.125, image_size=8)
DISTILL = Distill(3, 0.01, method=Logit(0.5, 4))
ADAPT = Adapt(2, 0.005, rank=2, lora_alpha=4, dropout=0.1, targets="dense")
STUDENT = StudentConfig(NETWORK, (DISTILL, ADAPT), seed=1)
PLAIN = StudentConfig(NETWORK, (replace(DISTILL, method=NoTeacher()),), seed=1)


class Listener:
    """Remembers the reports and answers STOP at one of them."""

    def __init__(self, stop_at=None):
        self.reports = []
        self.stop_at = stop_at

    def __call__(self, report):
        self.reports.append(report)
        here = (report.stage, report.epoch)
        return Verdict.STOP if here == self.stop_at else Verdict.GO_ON

    @property
    def seen(self):
        return [(report.stage, report.epoch, report.reused) for report in self.reports]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def bench(cache):
    with Workbench(SETUP, cache) as bench:
        bench.teacher(Listener())
        yield bench


def test_the_first_epochs_of_a_curve_say_something_and_it_rises(bench):
    listener = Listener()
    student = bench.train_student(STUDENT, listener)
    accuracies = [report.accuracy for report in listener.reports]
    assert accuracies[0] > 0.3  # chance is 0.1
    assert accuracies[-1] > max(0.8, accuracies[0])
    assert student.accuracy == accuracies[-1]
    assert student.key == student_key(STUDENT)
    assert student.leaves.keys() == {"adapter"}
    assert (student.leaves["adapter"] / "adapter_config.json").is_file()
    assert [report.progress for report in listener.reports] == [0.2, 0.4, 0.6, 0.8, 1.0]


def test_a_student_is_trained_once_and_its_epochs_are_told_again(bench, cache):
    first = bench.train_student(STUDENT, Listener())
    with Workbench(SETUP, cache) as other:
        listener = Listener()
        again = other.train_student(STUDENT, listener)
    assert again.weights.read_bytes() == first.weights.read_bytes()
    assert listener.seen == [
        *(("distill", epoch, True) for epoch in (1, 2, 3)),
        *(("adapt", epoch, True) for epoch in (1, 2)),
    ]
    assert all(stage.seconds_reused == stage.seconds > 0 for stage in again.stages)


def test_students_share_what_is_equal(bench):
    bench.train_student(STUDENT, Listener())
    listener = Listener()
    bench.train_student(STUDENT.prefix(1), listener)
    assert listener.seen == [("distill", epoch, True) for epoch in (1, 2, 3)]


@pytest.mark.parametrize(
    ("stop_at", "left"), [(("distill", 2), 3), (("distill", 3), 2), (("adapt", 1), 1)]
)
def test_a_stopped_student_goes_on_from_where_it_was_stopped(bench, stop_at, left):
    config = replace(STUDENT, seed=10 + left)
    stopped = bench.train_student(config, Listener(stop_at))
    assert isinstance(stopped, StoppedStudent)
    assert (stopped.last.stage, stopped.last.epoch) == stop_at
    assert stopped.stages[-1].epochs == stop_at[1]
    listener = Listener()
    student = bench.train_student(config, listener)
    assert isinstance(student, TrainedStudent)
    assert [reused for *_, reused in listener.seen] == [True] * (5 - left) + [False] * left


def test_a_stop_answers_reused_epochs_too(bench):
    bench.train_student(STUDENT, Listener())
    listener = Listener(("distill", 2))
    assert isinstance(bench.train_student(STUDENT, listener), StoppedStudent)
    assert listener.seen[-1] == ("distill", 2, True)


def test_the_same_key_gives_the_same_bits_in_another_cache(bench, tmp_path):
    with Workbench(SETUP, tmp_path) as other:
        ours, theirs = (b.train_student(STUDENT, Listener()) for b in (bench, other))
        assert ours.weights.read_bytes() == theirs.weights.read_bytes()
        assert [stage.key for stage in ours.stages] == [stage.key for stage in theirs.stages]


def test_plain_training_needs_no_teacher(tmp_path):
    with Workbench(SETUP, tmp_path) as bench:
        bench.train_student(PLAIN, Listener())
        assert not bench.cache.has(bench.keys.teacher())


def test_fixed_views_ask_the_teacher_once_for_all_students(tmp_path):
    data = replace(SETUP.data, views=2, train_limit=100)
    with Workbench(replace(SETUP, data=data), tmp_path) as bench:
        bench.train_student(STUDENT.prefix(1), Listener())
        assert bench.cache.has(bench.keys.teacher_logits("views"))


@pytest.mark.parametrize(
    ("views", "recorded"),
    [
        ({"teacher_view": "plain"}, "plain"),
        ({"augment": "none"}, "plain"),
        ({"jitter": 1}, "views"),
        ({"mix": "mixup"}, None),
        ({"mix": "cutmix", "teacher_view": "plain"}, None),
        ({"teacher_jitter": 1}, None),
        ({"teacher_view": "own"}, None),
    ],
    ids=str,
)
def test_the_teacher_is_recorded_where_it_sees_the_same_images_again(views, recorded, tmp_path):
    data = replace(SETUP.data, views=2, train_limit=100)
    distill = replace(DISTILL, epochs=1, **views)
    with Workbench(replace(SETUP, data=data), tmp_path) as bench:
        bench.train_student(StudentConfig(NETWORK, (distill,), seed=1), Listener())
        of_all = {name: bench.keys.teacher_logits(name) for name in ("views", "plain")}
        found = [name for name, key in of_all.items() if bench.cache.has(key)]
        assert found == ([recorded] if recorded else [])
        assert set(of_all.values()) < keys_of_students(bench.setup, [])


def test_a_student_learns_the_same_from_a_teacher_that_is_asked_and_one_that_is_recorded(
    tmp_path, monkeypatch
):
    setup = replace(SETUP, data=replace(SETUP.data, train_limit=300))
    student = StudentConfig(NETWORK, (replace(DISTILL, epochs=2, teacher_view="plain"),), seed=1)
    curves = []
    for name in ("recorded", "asked"):
        with Workbench(setup, tmp_path / name) as bench:
            listener = Listener()
            bench.train_student(student, listener)
            curves.append([report.accuracy for report in listener.reports])
        monkeypatch.setattr(teachers, "recorded_images", lambda *_: None)
    assert curves[0] == pytest.approx(curves[1], abs=0.02)  # Sums are rounded in other places.


def test_every_scheme_is_scored_by_its_runtime(bench, tmp_path):
    student = bench.train_student(STUDENT, Listener())
    sizes = {}
    for name, scheme in SCHEMES.items():
        keep = tmp_path / name / "model.onnx"
        scored = bench.evaluate(student, NETWORK, scheme, "validation", keep)
        sizes[name] = scored.size_bytes
        assert keep.stat().st_size == scored.size_bytes
        assert sum(map(sum, scored.confusion)) == scored.images == 100
        least = {4: 0.3, 3: 0.15, 2: 0.05}
        assert scored.accuracy > least.get(scheme.layout.weight_bits, student.accuracy - 0.1)
    assert sizes["int4_weight_only"] < sizes["int8_weight_only"] < sizes["fp16"] < sizes["fp32"]
    exact = bench.evaluate(student, NETWORK, SCHEMES["fp32"], "validation")
    assert exact.accuracy == student.accuracy
    onnxruntime.InferenceSession(str(tmp_path / "fp32" / "model.onnx"))


def test_the_teacher_agrees_with_itself(bench):
    teacher = bench.teacher(Listener())
    network = SETUP.teacher.network
    scored = bench.evaluate(teacher, network, SCHEMES["fp32"], "test")
    assert scored.images == 60
    assert scored.kl_to_teacher == pytest.approx(0, abs=1e-6)


def test_diverged_training_says_when_and_at_what_rate(bench):
    # A decay of 10 at a rate of 10 makes a weight -99 times what it was, in every step.
    beyond = {"optimizer": "sgd", "decay": "constant", "weight_decay": 10.0}
    stage = Distill(2, 10.0, method=NoTeacher(), **beyond)
    with pytest.raises(DivergedError, match=r"distill diverged in epoch 1 at .* 10"):
        bench.train_student(replace(PLAIN, stages=(stage,)), Listener())


def test_diverged_training_names_the_first_batch_whose_loss_is_not_finite(bench, monkeypatch):
    """A real run, whose losses are looked at as they come."""
    losses = []

    class Watched(TRAINED["none"]):
        def forward(self, *seen):
            loss = super().forward(*seen)
            losses.append(loss.item())
            return loss

    monkeypatch.setitem(TRAINED, "none", Watched)
    beyond = {"optimizer": "sgd", "decay": "constant", "weight_decay": 10.0, "batch_size": 8}
    stage = Distill(2, 10.0, method=NoTeacher(), **beyond)
    with pytest.raises(DivergedError) as caught:
        bench.train_student(replace(PLAIN, stages=(stage,)), Listener())
    first = next(number for number, loss in enumerate(losses, 1) if not math.isfinite(loss))
    assert first > 1
    assert f"in epoch 1 at batch {first} of {len(losses)}, at peak" in str(caught.value)
    assert str(caught.value).endswith("learning rate 10: the loss is not finite")


def test_a_teacher_from_a_file(bench, tmp_path):
    trained = bench.teacher(Listener())
    loaded = TeacherConfig(SETUP.teacher.network, LoadTeacher(str(trained.weights)))
    with Workbench(replace(SETUP, teacher=loaded), tmp_path / "cache") as other:
        teacher = other.teacher(Listener())
        assert teacher.accuracy == trained.accuracy
        assert teacher.weights.read_bytes() == trained.weights.read_bytes()
    wrong = tmp_path / "wrong.safetensors"
    save_weights(initialised_model(NETWORK, 10, 0), wrong)
    config = replace(loaded, weights=LoadTeacher(str(wrong)))
    with (
        Workbench(replace(SETUP, teacher=config), tmp_path / "cache") as other,
        pytest.raises(InputError, match=r"not of cifar_resnet20@0\.5/8px"),
    ):
        other.teacher(Listener())


def test_keys_change_with_what_changes_the_result_and_with_nothing_else(bench):
    data = bench.data

    def keys(setup=SETUP, student=STUDENT):
        made = StageKeys(setup, data)
        return made.teacher(), made.stage(student.prefix(1)), made.stage(student)

    def student_of(distill=DISTILL, adapt=ADAPT):
        return replace(STUDENT, stages=(distill, adapt))

    half = student_of(replace(DISTILL, method=Logit(0.1 + 0.4, 4.0)))
    assert keys(student=half) == keys()
    assert keys(replace(SETUP, runtime="executorch")) == keys()
    teacher, distill, adapt = keys()
    for student in (
        student_of(replace(DISTILL, method=Logit(0.5, 5))),
        student_of(replace(DISTILL, epochs=4)),
        student_of(replace(DISTILL, batch_size=32)),
        replace(STUDENT, network=replace(NETWORK, width=0.25)),
        replace(STUDENT, network=replace(NETWORK, image_size=16)),
        replace(STUDENT, seed=2),
    ):
        changed = keys(student=student)
        assert (changed[0], distill in changed, adapt in changed) == (teacher, False, False)
    changed = keys(student=student_of(adapt=replace(ADAPT, rank=4)))
    assert changed[:2] == (teacher, distill)
    assert changed[2] != adapt
    smaller = replace(SETUP.teacher, network=replace(SETUP.teacher.network, image_size=16))
    for setup in (
        replace(SETUP, threads=2),
        replace(SETUP, seed=2),
        replace(SETUP, teacher=smaller),
    ):
        assert not set(keys(setup)) & {teacher, distill, adapt}
    for method in (NoTeacher(), Logit(alpha=0)):
        plain = student_of(replace(DISTILL, method=method))
        assert keys(replace(SETUP, seed=2), plain)[1:] == keys(student=plain)[1:]
