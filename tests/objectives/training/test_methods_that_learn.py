"""A made-up method that taps both networks and learns a regressor beside the student."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from objectives import Verdict
from objectives.chain.cache import Draft
from objectives.chain.workbench import Workbench
from objectives.data import load_data
from objectives.models import initialised_model
from objectives.training import (
    METHODS as TRAINED,
)
from objectives.training import (
    AskedTeacher,
    TrainingGround,
    TrainingMethod,
    TrainingRun,
    logits_of,
    train,
    training_method,
)
from objectives.training.taps import tapping
from spaces import (
    METHODS,
    Adapt,
    DataConfig,
    Distill,
    Method,
    Network,
    NoTeacher,
    Schedule,
    StudentConfig,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
)

STUDENT = Network("resnet8x4", 0.125, image_size=8)
TEACHER = Network("cifar_resnet20", 0.5, image_size=8)
DATA = DataConfig("digits", image_size=8, train_limit=200, validation_limit=60, test_limit=20)
EPOCHS = 3


@dataclass(frozen=True)
class Hints(Method):
    """The student's last map, through a learned 1x1 convolution, is to be the teacher's."""

    kind = "hints"


class HintTraining(TrainingMethod):
    """What Hints computes; remembers every instance, to look at what was learned."""

    learns = True
    made: ClassVar[list["HintTraining"]] = []

    def __init__(self, settings):
        super().__init__(settings)
        self.made.append(self)

    def student_taps(self, _, __):
        return ("layer3",)

    def teacher_taps(self, _, __):
        return ("layer2", "layer3")

    def prepare(self, student, teacher, _):
        assert teacher.taps.keys() == {"layer2", "layer3"}
        channels_in, channels = (seen.taps["layer3"].shape[1] for seen in (student, teacher))
        self.regressor = nn.Conv2d(channels_in, channels, 1)
        self.silent = nn.Parameter(torch.ones(2))
        self.register_buffer("memory", torch.zeros(channels))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.first = self.regressor.weight.detach().clone()

    def forward(self, student, teacher, batch, epoch):
        assert 1 <= epoch <= EPOCHS
        assert self.training
        hinted, hint = self.regressor(student.taps["layer3"]), teacher.taps["layer3"]
        assert not hint.requires_grad
        self.steps += 1
        self.memory = 0.9 * self.memory + 0.1 * hint.mean((0, 2, 3))
        loss = cross_entropy(student.logits, batch.labels)
        return loss + mse_loss(hinted, hint) + 1e-3 * self.memory.sum()


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setitem(METHODS, "hints", Hints)
    monkeypatch.setitem(TRAINED, "hints", HintTraining)
    monkeypatch.setattr(HintTraining, "made", [])


@pytest.fixture
def chain():
    stages = (Distill(EPOCHS, 0.01, method=Hints()), Adapt(2, 0.005, rank=2, lora_alpha=4))
    return StudentConfig(STUDENT, stages, seed=1)


@pytest.fixture(scope="module")
def ground():
    torch.set_num_threads(1)
    return TrainingGround(load_data(DATA), "cpu")


def a_run(ground, folder, optimizer="adamw", stop_after=None):
    """Train a fresh student from what lies in `folder`; return it, its method and its epochs."""
    model = initialised_model(STUDENT, 10, seed=5)
    method = training_method(Hints())
    teacher = AskedTeacher(initialised_model(TEACHER, 10, seed=6), 8, method)
    schedule = Schedule(EPOCHS, 0.01, batch_size=64, optimizer=optimizer)
    run = TrainingRun("distill", schedule, 3, 8, method, teacher)
    told = []

    def after(epoch, result, reused):
        told.append((epoch, result.accuracy, reused))
        return epoch != stop_after

    trained = train(model, run, ground, Draft("key", folder / "entry", folder / "partial"), after)
    return model, method, trained, told


def bits(module):
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def same(ours, theirs):
    return ours.keys() == theirs.keys() and all(
        torch.equal(ours[name], theirs[name]) for name in ours
    )


def test_its_parts_are_learned_beside_the_student(ground, tmp_path):
    fresh = initialised_model(STUDENT, 10, seed=5)
    model, method, trained, told = a_run(ground, tmp_path)
    assert len(trained) == EPOCHS
    assert [reused for *_, reused in told] == [False] * EPOCHS
    assert not torch.equal(method.regressor.weight, method.first)
    assert not torch.equal(model.fc.weight, fresh.fc.weight)
    assert int(method.steps) == EPOCHS * ground.images.steps(64)
    assert method.memory.abs().sum() > 0
    # A part that no loss reached is as it was made: it had no gradient, and so no step.
    assert torch.equal(method.silent, torch.ones(2))
    assert not model._forward_hooks
    assert not model.layer3._forward_hooks


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_run_that_was_interrupted_goes_on_to_the_same_bits(ground, tmp_path, optimizer):
    whole, its_method, trained, told = a_run(ground, tmp_path / "whole", optimizer)
    _, cut_method, stopped, _ = a_run(ground, tmp_path / "cut", optimizer, stop_after=1)
    assert stopped is None
    assert int(cut_method.steps) == ground.images.steps(64)
    saved = load_file(next((tmp_path / "cut").rglob("checkpoint.safetensors")))
    for name, value in bits(cut_method).items():
        assert torch.equal(saved[f"method.{name}"], value)
    resumed, resumed_method, again, told_again = a_run(ground, tmp_path / "cut", optimizer)
    assert [reused for *_, reused in told_again] == [True, False, False]
    assert [one[:2] for one in told_again] == [one[:2] for one in told]
    assert [each.accuracy for each in again] == [each.accuracy for each in trained]
    assert same(bits(resumed), bits(whole))
    assert same(bits(resumed_method), bits(its_method))


def test_what_it_learns_depends_on_the_seed_alone(ground, tmp_path):
    torch.manual_seed(1)
    _, one, *_ = a_run(ground, tmp_path / "one")
    torch.manual_seed(2)
    expected = torch.rand(3)
    torch.manual_seed(2)
    _, other, *_ = a_run(ground, tmp_path / "other")
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(one.first, other.first)
    assert same(bits(one), bits(other))


class Idle(TrainingMethod):
    """Cross-entropy, with a part that takes no part in it."""

    learns = True

    def student_taps(self, _, __):
        return ("layer1", "fc")

    def prepare(self, student, teacher, _):
        assert teacher is None
        assert student.taps["fc"].shape == student.logits.shape
        self.regressor = nn.Linear(student.logits.shape[1], 4)

    def forward(self, student, teacher, batch, epoch):
        assert teacher is None
        assert epoch in {1, 2}
        return cross_entropy(student.logits, batch.labels)


def test_making_its_parts_leaves_the_student_and_its_batches_alone(ground, tmp_path):
    """What is learned beside draws from its own seed and moves no batch-norm statistics."""
    trained = {}
    for name, method in (("plain", training_method(NoTeacher())), ("idle", Idle(NoTeacher()))):
        model = initialised_model(STUDENT, 10, seed=5)
        run = TrainingRun("distill", Schedule(2, 0.01, batch_size=64), 3, 8, method)
        draft = Draft("key", tmp_path / name / "entry", tmp_path / name / "partial")
        assert train(model, run, ground, draft, lambda *_: True) is not None
        trained[name] = bits(model)
    assert same(trained["plain"], trained["idle"])


def test_taps_are_what_the_modules_gave_and_end_with_the_block():
    model = initialised_model(STUDENT, 10, seed=5).eval()
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with tapping(model, ("layer1", "layer1.0.conv1")) as taps:
        assert taps == {}
        model(images)
        first = taps["layer1"]
        model(images[:2])
        assert (len(first), len(taps["layer1"])) == (4, 2)
    assert taps.keys() == {"layer1", "layer1.0.conv1"}
    model(images)
    assert len(taps["layer1"]) == 2
    with pytest.raises(AttributeError), tapping(model, ("layer9",)):
        pass


def a_setup(**data):
    weights = TrainTeacher(Schedule(1, 0.01))
    return StudySetup(replace(DATA, **data), TeacherConfig(TEACHER, weights), seed=1)


class Stopping:
    """Answers STOP at one epoch of one stage."""

    def __init__(self, *stop_at):
        self.stop_at, self.seen = stop_at, []

    def __call__(self, report):
        self.seen.append((report.stage, report.epoch, report.reused))
        stops = (report.stage, report.epoch) == self.stop_at
        return Verdict.STOP if stops else Verdict.GO_ON


@pytest.mark.parametrize("views", [0, 1])
def test_a_whole_chain_learns_by_it_and_its_parts_are_thrown_away(chain, tmp_path, views):
    """The adapter learns as the stage before it did. Taps need the teacher itself."""
    with Workbench(a_setup(views=views), tmp_path) as bench:
        student = bench.train_student(chain, Stopping())
        distilling, adapting = HintTraining.made
        assert int(distilling.steps) == EPOCHS * int(adapting.steps) // 2 > 0
        assert not torch.equal(adapting.regressor.weight, adapting.first)
        assert not bench.cache.has(bench.keys.teacher_logits("views"))
        names = initialised_model(STUDENT, 10, seed=0).state_dict().keys()
        assert load_file(student.weights).keys() == names


def test_a_chain_that_was_stopped_goes_on_to_the_same_bits(chain, tmp_path):
    weights = []
    for name, stops in (
        ("whole", [()]),
        ("cut", [("distill", 1), ("distill", 2), ("adapt", 1), ()]),
    ):
        for stop_at in stops:
            with Workbench(a_setup(), tmp_path / name) as bench:
                listener = Stopping(*stop_at)
                student = bench.train_student(chain, listener)
                assert listener.seen[-1][:2] == (stop_at or ("adapt", 2))
        weights.append(student.weights.read_bytes())
    assert weights[0] == weights[1]
    assert listener.seen == [
        *[("distill", epoch, True) for epoch in (1, 2, 3)],
        ("adapt", 1, True),
        ("adapt", 2, False),
    ]


def test_a_method_without_taps_is_told_recorded_logits_where_views_are_fixed(
    chain, tmp_path, monkeypatch
):
    class Blind(HintTraining):
        learns = False

        def student_taps(self, _, __):
            return ()

        def teacher_taps(self, _, __):
            return ()

        def forward(self, student, teacher, _, __):
            assert (student.taps, teacher.taps) == ({}, {})
            return mse_loss(student.logits, teacher.logits)

    monkeypatch.setitem(TRAINED, "hints", Blind)
    for views, recorded in ((0, False), (2, True)):
        with Workbench(a_setup(views=views), tmp_path / str(views)) as bench:
            bench.train_student(chain.prefix(1), Stopping())
            assert bench.cache.has(bench.keys.teacher_logits("views")) is recorded


def test_what_it_is_called_is_in_the_key(chain, tmp_path):
    with Workbench(a_setup(), tmp_path) as bench:
        other = replace(chain, stages=(replace(chain.stages[0], method=NoTeacher()),))
        assert bench.keys.stage(chain.prefix(1)) != bench.keys.stage(other)


def test_the_teacher_is_left_as_it_was(ground):
    teacher = initialised_model(TEACHER, 10, seed=6)
    method = training_method(Hints())
    before = bits(teacher)
    signal = AskedTeacher(teacher, 8, method)
    batch = next(iter(ground.images.batches(1, 64, torch.Generator().manual_seed(0))))
    seen = signal(batch, 1)
    assert torch.equal(seen.logits, logits_of(teacher, batch.images))
    assert seen.taps.keys() == {"layer2", "layer3"}
    assert not seen.logits.requires_grad
    assert same(bits(teacher), before)
    assert not teacher.layer3._forward_hooks
