"""Adapters that learn for a layout, through the whole chain: trained, stopped and scored."""

import hashlib

import pytest
from safetensors.torch import load_file

from objectives import Verdict
from objectives.chain.workbench import Workbench
from spaces import (
    SCHEMES,
    Adapt,
    DataConfig,
    Distill,
    Network,
    NoTeacher,
    Schedule,
    StudentConfig,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
)

NETWORK = Network("resnet8x4", 0.25, image_size=8)
SETUP = StudySetup(
    DataConfig("digits", image_size=8, train_limit=300, validation_limit=200, test_limit=50),
    TeacherConfig(NETWORK, TrainTeacher(Schedule(1))),
    seed=1,
)
BASE = Distill(6, 0.02, batch_size=32, method=NoTeacher())
SCHEME_OF = {one.layout.key: one for one in SCHEMES.values()}


def student(layout, **others):
    adapt = Adapt(3, 0.01, batch_size=32, rank=4, layout=layout, **others)
    return StudentConfig(NETWORK, (BASE, adapt), seed=1)


def go_on(_):
    return Verdict.GO_ON


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with Workbench(SETUP, tmp_path_factory.mktemp("cache")) as bench:
        yield bench


@pytest.mark.parametrize("layout", ["w3", "w2", "w4a8"])
def test_what_training_says_is_what_the_artifact_does_at_the_same_bytes(bench, layout):
    scheme = SCHEME_OF[layout]
    plain = bench.train_student(student("float"), go_on)
    before = bench.evaluate(plain, NETWORK, scheme, "validation")
    aware = bench.train_student(student(layout), go_on)
    after = bench.evaluate(aware, NETWORK, scheme, "validation")
    assert after.size_bytes == before.size_bytes
    assert abs(after.accuracy - aware.accuracy) <= (0.03 if layout == "w4a8" else 0.005)
    assert aware.stages[0].key == plain.stages[0].key  # What was distilled is shared.
    if layout != "w4a8":
        assert after.accuracy > before.accuracy + 0.02


def test_at_two_bits_the_adapter_comes_with_the_statistics_it_belongs_to(bench):
    for layout, moves in (("w4", False), ("w2", True)):
        trained = bench.train_student(student(layout), go_on)
        before, after = load_file(trained.bases["adapter"]), load_file(trained.weights)
        moved = [
            name for name in before if "running_" in name and (before[name] != after[name]).any()
        ]
        assert bool(moved) == moves
        base = trained.leaves["adapter"] / "base.safetensors"
        assert base.exists() == moves
        if moves:
            own = load_file(base)
            assert all((own[name] == after[name]).all() for name in moved)
            assert (own["fc.weight"] == before["fc.weight"]).all()


@pytest.mark.parametrize("layout", ["w3", "w2", "w4a8"])
def test_a_stage_that_was_stopped_goes_on_to_the_same_bits(bench, layout, tmp_path):
    config = student(layout, dropout=0.2)
    with Workbench(SETUP, tmp_path) as other:
        for epoch in (1, 2):

            def stop(report, epoch=epoch):
                cut = report.stage == "adapt" and report.epoch == epoch
                return Verdict.STOP if cut else Verdict.GO_ON

            other.train_student(config, stop)
        cut = other.train_student(config, go_on)
        digests = [
            hashlib.sha256(one.weights.read_bytes()).digest()
            for one in (cut, bench.train_student(config, go_on))
        ]
    assert digests[0] == digests[1]
