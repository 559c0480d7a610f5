"""Quantization-aware training through the whole chain: trained, stopped, resumed and scored."""

import hashlib

import pytest
import torch
from safetensors.torch import load_file

from objectives import Verdict
from objectives.chain.workbench import Workbench
from objectives.quantization import fitted_weight
from spaces import (
    INTEGER_LAYOUTS,
    SCHEMES,
    Adapt,
    DataConfig,
    Distill,
    Hint,
    Logit,
    Network,
    NoTeacher,
    QuantizeAware,
    Schedule,
    StudentConfig,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
)

NETWORK = Network("resnet8x4", 0.25, image_size=8)
SETUP = StudySetup(
    DataConfig("digits", image_size=8, train_limit=300, validation_limit=200, test_limit=50),
    TeacherConfig(NETWORK, TrainTeacher(Schedule(3))),
    seed=1,
)
BASE = Distill(6, 0.02, batch_size=32, method=NoTeacher())
ADAPTED = Adapt(2, 0.003, batch_size=32, rank=4)
SCHEME_OF = {one.layout.key: one for one in SCHEMES.values()}


def aware(layout, **others):
    given = {"epochs": 3, "learning_rate": 0.002, "method": NoTeacher(), **others}
    return QuantizeAware(layout=layout, batch_size=32, **given)


def student(*stages):
    return StudentConfig(NETWORK, (BASE, *stages), seed=1)


def go_on(_):
    return Verdict.GO_ON


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with Workbench(SETUP, tmp_path_factory.mktemp("cache")) as bench:
        yield bench


@pytest.mark.parametrize("before", [(), (ADAPTED,)], ids=["distilled", "adapted"])
@pytest.mark.parametrize("layout", ["w3", "w2", "w4a8"])
def test_what_training_says_is_what_the_artifact_does_at_the_same_bytes(bench, layout, before):
    scheme = SCHEME_OF[layout]
    plain = bench.train_student(student(*before), go_on)
    rounded = bench.evaluate(plain, NETWORK, scheme, "validation")
    trained = bench.train_student(student(*before, aware(layout)), go_on)
    after = bench.evaluate(trained, NETWORK, scheme, "validation")
    assert after.size_bytes == rounded.size_bytes
    assert abs(after.accuracy - trained.accuracy) <= (0.03 if layout == "w4a8" else 0.005)
    assert trained.stages[len(before)].key == plain.stages[len(before)].key  # They share it.
    if layout != "w4a8":
        assert after.accuracy > rounded.accuracy + 0.02


def test_what_it_leaves_is_rounded_and_statistics_stay(bench):
    before = load_file(bench.train_student(student(), go_on).weights)
    for layout in ("w4", "w2"):
        after = load_file(bench.train_student(student(aware(layout)), go_on).weights)
        bits = INTEGER_LAYOUTS[layout].weight_bits
        for weight in after.values():
            if weight.ndim > 1:
                again = fitted_weight(weight, bits)
                torch.testing.assert_close(again, weight, rtol=1e-5, atol=1e-7)
                assert len(weight[0].unique()) <= 2**bits - 1
        for name in before:
            if "running_" in name:
                assert torch.equal(before[name], after[name]), name


@pytest.mark.parametrize("layout", ["w3", "w2", "w8a8", "w4a8"])
def test_a_stage_that_was_stopped_goes_on_to_the_same_bits(bench, layout, tmp_path):
    config = student(ADAPTED, aware(layout, method=Logit(0.5)))
    with Workbench(SETUP, tmp_path) as other:
        for epoch in (1, 2):

            def stop(report, epoch=epoch):
                cut = report.stage == "quantize_aware" and report.epoch == epoch
                return Verdict.STOP if cut else Verdict.GO_ON

            other.train_student(config, stop)
        cut = other.train_student(config, go_on)
        digests = [
            hashlib.sha256(one.weights.read_bytes()).digest()
            for one in (cut, bench.train_student(config, go_on))
        ]
    assert digests[0] == digests[1]


@pytest.mark.parametrize("method", [Logit(), Hint(alpha=0.0)], ids=lambda one: one.kind)
def test_its_method_is_its_own_and_asks_the_teacher(bench, method):
    config = student(aware("w4a8", epochs=1, method=method, teacher_view="plain"))
    assert config.needs_teacher
    assert config.teaching(1) == method
    trained = bench.train_student(config, go_on)
    alone = bench.train_student(student(aware("w4a8", epochs=1)), go_on)
    one, other = load_file(trained.weights), load_file(alone.weights)
    assert any((one[name] != other[name]).any() for name in one)
