"""Pruning through the whole chain: trained, stopped, resumed, scored, and kept by later stages."""

import hashlib

import pytest
import torch
from safetensors.torch import load_file

from objectives import Verdict
from objectives.chain.workbench import Workbench
from objectives.models import initialised_model, loaded_model, save_weights
from objectives.results import TrainedStudent
from spaces import (
    SCHEMES,
    Adapt,
    DataConfig,
    Distill,
    Logit,
    Network,
    NoTeacher,
    Prune,
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
    TeacherConfig(NETWORK, TrainTeacher(Schedule(6, 0.02, batch_size=32))),
    seed=1,
)
BASE = Distill(6, 0.02, batch_size=32, method=NoTeacher())
FLOAT = SCHEMES["fp32"]


def pruned(**others):
    given = {"amount": 0.5, "epochs": 3, "method": NoTeacher(), **others}
    return Prune(batch_size=32, **given)


def student(*stages):
    return StudentConfig(NETWORK, stages, seed=1)


def go_on(_):
    return Verdict.GO_ON


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with Workbench(SETUP, tmp_path_factory.mktemp("cache")) as bench:
        yield bench


WAYS = {
    "l1": {"criterion": "l1"},
    "l2": {},
    "batch_norm": {"criterion": "batch_norm"},
    "taylor": {"criterion": "taylor"},
    "in steps": {"steps": 3},
    "taylor in steps": {"criterion": "taylor", "steps": 2},
    "multiples": {"multiple": 4, "amount": 0.3},
    "weights": {"removes": "weights"},
    "weights in steps": {"removes": "weights", "steps": 2, "amount": 0.8},
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@EVERY_WAY
def test_what_is_left_learns_and_its_artifact_says_the_same(bench, way):
    config = student(BASE, pruned(**way))
    trained = bench.train_student(config, go_on)
    scored = bench.evaluate(trained, config.deployed, FLOAT, "validation")
    assert scored.accuracy == pytest.approx(trained.accuracy, abs=0.005)
    assert trained.accuracy > 0.5
    whole = bench.evaluate(bench.train_student(student(BASE), go_on), NETWORK, FLOAT, "validation")
    if config.stages[1].removes == "channels":
        assert scored.size_bytes < 0.6 * whole.size_bytes
    else:  # Zeros are as long as other floats.
        assert scored.size_bytes == whole.size_bytes


@EVERY_WAY
def test_a_stage_that_was_stopped_goes_on_to_the_same_bits(bench, way, tmp_path):
    config = student(BASE, pruned(**way, **({} if "steps" in way else {"epochs": 3})))
    with Workbench(SETUP, tmp_path) as other:
        for epoch in (1, 2):

            def stop(report, epoch=epoch):
                cut = report.stage == "prune" and report.epoch == epoch
                return Verdict.STOP if cut else Verdict.GO_ON

            other.train_student(config, stop)
        cut = other.train_student(config, go_on)
        digests = [
            hashlib.sha256(one.weights.read_bytes()).digest()
            for one in (cut, bench.train_student(config, go_on))
        ]
    assert digests[0] == digests[1]


def zeros_in(weights):
    return {
        name: float((value == 0).float().mean())
        for name, value in load_file(weights).items()
        if value.ndim > 1
    }


LATER = {
    "distilled": (Distill(2, 0.01, batch_size=32, method=NoTeacher()),),
    "adapted": (Adapt(1, 0.01, batch_size=32, rank=4),),
    "adapted through a layout": (Adapt(1, 0.01, batch_size=32, rank=4, layout="w4"),),
    "all learns": (Adapt(1, 0.001, batch_size=32, method="full"),),
    "for a layout": (QuantizeAware(layout="w4", epochs=1, batch_size=32, method=NoTeacher()),),
}


@pytest.mark.parametrize("later", LATER.values(), ids=LATER)
def test_what_is_zero_stays_zero_in_later_stages(bench, later):
    stage = pruned(removes="weights", amount=0.7)
    before = bench.train_student(student(BASE, stage), go_on)
    assert all(0.69 < share < 0.72 for share in zeros_in(before.weights).values())
    after = bench.train_student(student(BASE, stage, *later), go_on)
    one, other = (load_file(each.weights) for each in (before, after))
    moved = False
    for name, value in one.items():
        if value.ndim > 1:
            assert (other[name][value == 0] == 0).all(), name
            moved |= not torch.equal(value, other[name])
    assert moved


ORDERS = {
    "the teacher pruned": (pruned(),),
    "pruned, then distilled": (pruned(), Distill(3, 0.01, batch_size=32, method=Logit())),
    "pruned, then adapted": (pruned(), Adapt(1, 0.01, batch_size=32, rank=2)),
    "distilled, pruned, adapted": (BASE, pruned(), Adapt(1, 0.01, batch_size=32, rank=2)),
    "the teacher trained for a layout": (
        QuantizeAware(layout="w4", epochs=2, batch_size=32, method=NoTeacher()),
    ),
    "for a layout, then distilled": (
        QuantizeAware(layout="w4", epochs=1, batch_size=32, method=NoTeacher()),
        Distill(2, 0.01, batch_size=32, method=Logit()),
    ),
    "pruned, then for a layout": (
        pruned(),
        QuantizeAware(layout="w4", epochs=2, batch_size=32, method=Logit()),
    ),
}


@pytest.mark.parametrize("stages", ORDERS.values(), ids=ORDERS)
def test_orders_that_can_work_do(bench, stages):
    config = student(*stages)
    trained = bench.train_student(config, go_on)
    assert trained.accuracy > 0.5
    layout = config.files.layout
    scheme = next(one for one in SCHEMES.values() if layout in (one.layout.key, "float"))
    scored = bench.evaluate(trained, config.deployed, scheme, "validation")
    assert scored.accuracy == pytest.approx(trained.accuracy, abs=0.02)
    loaded_model(config.deployed, trained.weights, bench.data.classes)


def test_what_begins_with_the_teacher_has_its_weights_and_is_another_students_than_fresh_ones(
    bench,
):
    teacher = bench.teacher(go_on)
    begins = Distill(1, 1e-8, batch_size=32, method=NoTeacher(), pretrained="teacher")
    fresh = Distill(1, 1e-8, batch_size=32, method=NoTeacher())
    keys = {bench.keys.stage(student(one)) for one in (begins, fresh)}
    assert len(keys) == 2
    trained = bench.train_student(student(begins), go_on)
    given, left = load_file(teacher.weights), load_file(trained.weights)
    torch.testing.assert_close(left["conv1.weight"], given["conv1.weight"], atol=1e-4, rtol=0)


def test_a_cut_file_is_of_the_size_that_was_known_before_training(bench, tmp_path):
    config = student(BASE, pruned(shares="conv1=0.2 layer2.0.conv1=1.5"))
    trained = bench.train_student(config, go_on)
    for scheme in ("fp32", "int8_static", "int4_weight_only"):
        sizes = []
        for weights in (trained.weights, tmp_path / "untrained.safetensors"):
            if not weights.exists():
                save_weights(initialised_model(config.deployed, bench.data.classes, 5), weights)
            one = TrainedStudent(key="", weights=weights, accuracy=0.0)
            scored = bench.evaluate(one, config.deployed, SCHEMES[scheme], "validation")
            sizes.append(scored.size_bytes)
        assert sizes[0] == sizes[1]
