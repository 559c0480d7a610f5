"""Kinds of stages that the program does not have: run where they have a handler, else refused."""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar

import pytest
import torch
from safetensors.torch import load_file

from objectives import StoppedStudent, TrainedStudent, Verdict
from objectives.chain.handlers import HANDLERS, handler_of
from objectives.chain.handlers.handler import WEIGHTS, publishing
from objectives.chain.workbench import Workbench
from objectives.models import save_weights
from objectives.training import train
from spaces import (
    METHODS,
    STAGES,
    Adapt,
    DataConfig,
    Distill,
    Logit,
    Method,
    Network,
    Prior,
    Schedule,
    Setting,
    Stage,
    StudentConfig,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
    UnknownNameError,
    student_key,
)
from spaces.settings import Number, setting

SETUP = StudySetup(
    DataConfig("digits", image_size=8, train_limit=200, validation_limit=60, test_limit=20),
    TeacherConfig(Network("cifar_resnet20", 0.5, image_size=8), TrainTeacher(Schedule(1, 0.01))),
    seed=1,
)
NETWORK = Network("resnet8x4", 0.125, image_size=8)


@dataclass(frozen=True)
class Mask(Stage):
    """Made up: the smallest weights of every convolution are zero, and what is left is trained."""

    kind: ClassVar[str] = "mask"
    done: ClassVar[str] = "masked"
    absent: ClassVar[str] = "not masked"
    leaves: ClassVar = MappingProxyType({"masks": "which weights are left"})
    prior: ClassVar[Prior] = Prior(fall=0.1, noise=0.1)

    share: float = setting(0.5, Setting("share", Number(least=0, below=1), skips=0))
    epochs: int = setting(2, Setting("epochs", Number(least=1, whole=True)))


class MaskHandler:
    """A StageHandler of Mask."""

    code_version = 1
    libraries = ("safetensors",)

    def build(self, stage, work, draft, after):
        model = work.network()
        assert work.parent is not None
        for name, weight in model.named_parameters():
            if weight.ndim == 4:
                with torch.no_grad():
                    bound = weight.abs().flatten().kthvalue(int(stage.share * weight.numel()))
                    weight[weight.abs() <= bound.values] = 0
                assert name.endswith("weight")
        masked = {name: float((w == 0).float().mean()) for name, w in model.named_parameters()}
        results = train(model, work.run(), work.ground, draft, after)
        if results is None:
            return False
        with publishing(draft, results) as folder:
            (folder / "masks").mkdir()
            (folder / "masks" / "shares").write_text(repr(masked))
            save_weights(model, folder / WEIGHTS)
        return True


@pytest.fixture
def student(monkeypatch):
    monkeypatch.setitem(STAGES, "mask", Mask)
    stages = (
        Distill(2, 0.01, method=Logit(0.5, 4)),
        Mask(learning_rate=0.005),
        Adapt(1, 0.005, rank=2, lora_alpha=4),
    )
    return StudentConfig(NETWORK, stages, seed=1)


@pytest.fixture
def handled(monkeypatch):
    monkeypatch.setitem(HANDLERS, "mask", MaskHandler())


class Listener:
    def __init__(self, *stop_at):
        self.stop_at, self.reports = stop_at, []

    def __call__(self, report):
        self.reports.append(report)
        stops = (report.stage, report.epoch) == self.stop_at
        return Verdict.STOP if stops else Verdict.GO_ON

    @property
    def seen(self):
        return [(report.stage, report.epoch, report.reused) for report in self.reports]


EPOCHS = (("distill", 1), ("distill", 2), ("mask", 1), ("mask", 2), ("adapt", 1))


@pytest.mark.usefixtures("handled")
def test_a_chain_of_three_stages_is_trained_stopped_resumed_and_shared(student, tmp_path):
    with Workbench(SETUP, tmp_path) as bench:
        listener = Listener("mask", 1)
        stopped = bench.train_student(student, listener)
        assert isinstance(stopped, StoppedStudent)
        assert [(stage.stage, stage.epochs) for stage in stopped.stages] == [
            ("distill", 2),
            ("mask", 1),
        ]
        assert [report.progress for report in listener.reports] == [0.2, 0.4, 0.6]

        listener = Listener()
        trained = bench.train_student(student, listener)
        assert isinstance(trained, TrainedStudent)
        assert listener.seen == [(*epoch, number < 3) for number, epoch in enumerate(EPOCHS)]
        assert [report.progress for report in listener.reports] == [0.2, 0.4, 0.6, 0.8, 1.0]
        assert [report.epochs for report in listener.reports] == [2, 2, 2, 2, 1]
        assert trained.key == student_key(student)
        assert trained.leaves.keys() == {"masks", "adapter"}
        assert "conv1" in (trained.leaves["masks"] / "shares").read_text()
        assert [stage.key for stage in trained.stages] == [
            bench.keys.stage(prefix) for prefix in student.prefixes
        ]

        listener = Listener()
        shares = replace(student, stages=(*student.stages[:2], Adapt(1, 0.005, rank=4)))
        bench.train_student(shares, listener)
        assert [reused for *_, reused in listener.seen] == [True] * 4 + [False]
        masked = bench.train_student(student.prefix(2), Listener())
        assert masked.leaves.keys() == {"masks"}
        # The adapter was merged into the masked weights, and no other stage touched them.
        assert load_file(masked.weights).keys() == load_file(trained.weights).keys()


@pytest.mark.usefixtures("handled")
def test_a_stage_in_another_place_is_another_one(student, tmp_path):
    distill, mask, adapt = student.stages
    turned = replace(student, stages=(distill, adapt, mask))
    with Workbench(SETUP, tmp_path) as bench:
        stages = {bench.keys.stage(one) for one in (*student.prefixes, *turned.prefixes)}
        assert len(stages) == 5  # The first one is common.
        listener = Listener()
        bench.train_student(turned, listener)
        assert [stage for stage, *_ in listener.seen] == [*["distill"] * 2, "adapt", *["mask"] * 2]


@pytest.mark.usefixtures("handled")
def test_a_handlers_version_and_libraries_are_in_the_key(student, tmp_path, monkeypatch):
    with Workbench(SETUP, tmp_path) as bench:
        keys = [bench.keys.stage(prefix) for prefix in student.prefixes]
        for change in ({"code_version": 2}, {"libraries": ()}):
            later = type("Later", (MaskHandler,), change)()
            monkeypatch.setitem(HANDLERS, "mask", later)
            changed = [bench.keys.stage(prefix) for prefix in student.prefixes]
            assert [was == now for was, now in zip(keys, changed, strict=True)] == [
                *(True, False, False)
            ]


def test_a_stage_that_nobody_can_train_is_refused_and_not_trained_as_another(student, tmp_path):
    with pytest.raises(UnknownNameError, match="unknown kind of stage 'mask': known are distill"):
        handler_of("mask")
    with Workbench(SETUP, tmp_path) as bench:
        listener = Listener()
        with pytest.raises(UnknownNameError, match="unknown kind of stage 'mask'"):
            bench.train_student(student, listener)
        assert ("mask", 1, False) not in listener.seen
        # What comes after it cannot be found under another's key either.
        with pytest.raises(UnknownNameError, match="unknown kind of stage 'mask'"):
            bench.keys.stage(student)


@dataclass(frozen=True)
class Guess(Method):
    """A method that a study can name and nobody has written."""

    kind = "guess"


def test_a_method_that_nobody_has_written_is_refused_and_not_trained_as_another(
    tmp_path, monkeypatch
):
    monkeypatch.setitem(METHODS, "guess", Guess)
    student = StudentConfig(NETWORK, (Distill(1, method=Guess()), Adapt(1, rank=2)), seed=1)
    with Workbench(SETUP, tmp_path) as bench:
        listener = Listener()
        with pytest.raises(UnknownNameError, match="unknown method 'guess': known are none, logit"):
            bench.train_student(student, listener)
        assert listener.seen == []
        assert not any(bench.cache.has(bench.keys.stage(prefix)) for prefix in student.prefixes)
