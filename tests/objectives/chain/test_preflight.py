"""What is found out about networks before anything is written."""

import warnings
from dataclasses import replace

import pytest

from objectives import Verdict, check_setup
from objectives.chain.workbench import Workbench
from spaces import (
    SCHEMES,
    Adapt,
    DataConfig,
    Distill,
    InputError,
    LoadTeacher,
    Logit,
    Network,
    Schedule,
    StudentConfig,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
)
from tests.objectives.models import users_networks
from tests.search.commands_run import tree

HERE = users_networks.__name__
PLAIN = Network(f"{HERE}:plain", image_size=16)
SETUP = StudySetup(
    DataConfig("digits", image_size=16, train_limit=100, validation_limit=40, test_limit=20),
    TeacherConfig(PLAIN, TrainTeacher(Schedule(1, 0.01))),
    seed=1,
)


def users(name, width=1.0, image_size=16):
    return Network(f"{HERE}:{name}", width, image_size=image_size)


def said(*networks, setup=SETUP):
    with pytest.raises(InputError) as caught:
        check_setup(setup, networks, SCHEMES)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("grey", "takes images of 1 channel, and all images here have 3, grey ones too"),
        ("wrong_head", "gives float32 [2, 1000] for two images in train(), expected float32 [2, "),
        ("features_first", "gives a tuple of float32 [2, 8], float32 [2, 10], expected logits [n"),
        ("half", "cannot take images of 16 px: "),
        ("of_another_size", "users_networks.py, line "),
        ("unsaved", "gives other logits once its weights are saved and loaded: "),
        ("frozen", "cannot be trained: what it gives depends on no weight with requires_grad"),
        ("the_same", "is the same network every time: it must be a new one at every call"),
        ("raises", "ValueError: no pretrained file in /models"),
        ("raises_nothing_said", "RuntimeError"),
        ("leaves", "SystemExit: usage: networks.py CHECKPOINT"),
        ("type_error", "TypeError: Conv2d.__init__() missing 1 required positional argument"),
        ("no_such", "has no function 'no_such'"),
    ],
)
def test_a_network_that_cannot_be_used_gets_a_line_that_begins_with_its_key(name, words):
    line = said(users(name))
    assert line.startswith(f"{HERE}:{name}@1/16px: ")
    assert words in line
    assert "\n" not in line


def test_all_faults_come_at_once_and_one_that_several_share_is_said_once():
    teacher = replace(SETUP, teacher=TeacherConfig(users("grey"), TrainTeacher(Schedule(1, 0.01))))
    networks = [users("raises"), users("plain", 0.25), users("plain", 0.5), users("plain")]
    narrow = users("of_a_width", 0.25)
    lines = said(*networks, narrow, users("wrong_head"), setup=teacher).splitlines()
    keys = ["grey@1", "raises@1", "plain@0.25", "of_a_width@0.25", "wrong_head@1"]
    assert lines[0] == "5 faults:"
    for line, key in zip(lines[1:], keys, strict=True):
        assert line.startswith(f"  {HERE}:{key}/16px")
    shared = f"  {HERE}:plain@0.25/16px, {HERE}:plain@0.5/16px: architecture {HERE}:plain has no w"
    assert lines[3].startswith(shared)
    assert "line " in lines[4]
    assert "8 heads do not divide 0.25 of the channels" in lines[4]


def test_what_works_is_let_through():
    networks = [users(name) for name in ("plain", "pair", "in_training", "named", "tied")]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Lazy modules are a new feature")
        checked = check_setup(SETUP, [*networks, users("lazy"), users("of_a_width", 0.5)], SCHEMES)
    assert checked.networks[0] == PLAIN
    assert len(checked.networks) == 7


def test_adapters_that_a_network_cannot_have_are_refused_all_at_once():
    stages = [
        *(Adapt(targets=targets, method="loha") for targets in ("all", "pointwise")),
        *(Adapt(targets=targets) for targets in ("all", "classifier", "pointwise")),
        *(Adapt(method=method) for method in ("full", "classifier_only")),
    ]
    with pytest.raises(InputError) as caught:
        check_setup(SETUP, [PLAIN, users("separable")], SCHEMES, stages)
    plain, separable = str(caught.value).splitlines()[1:]
    no_pointwise = (
        "no layer of this network is a target of 'pointwise': it has classifier, "
        "classifier+pointwise, dense, all"
    )
    assert plain == f"  {HERE}:plain@1/16px: {no_pointwise}"
    assert separable.startswith(f"  {HERE}:separable@1/16px: lora cannot adapt its grouped or ")
    check_setup(SETUP, [users("separable")], SCHEMES, [*stages[:2], *stages[3:]])


def test_a_teacher_that_is_loaded_need_not_learn(tmp_path):
    setup = replace(
        SETUP, teacher=TeacherConfig(users("frozen"), LoadTeacher(str(tmp_path / "none.pth")))
    )
    lines = said(users("wrong_head"), setup=setup).splitlines()
    assert lines[0] == "2 faults:"
    assert lines[1].startswith(f"  {HERE}:wrong_head@1/16px: ")
    assert lines[2].startswith(f"  weights {tmp_path}/none.pth do not exist")


def test_an_export_is_made_once_and_kept_only_when_all_is_well(tmp_path, monkeypatch):
    checked = check_setup(SETUP, [users("tied"), Network("cifar_resnet20", 0.5)], SCHEMES)
    with pytest.raises(OSError, match="the disk is gone"), checked.exported(tmp_path):
        raise OSError("the disk is gone")
    assert tree(tmp_path) == {}
    with checked.exported(tmp_path):
        assert tree(tmp_path) == {}
    kept = tree(tmp_path)
    assert len([name for name in kept if name.endswith(".onnx")]) == 3
    monkeypatch.setattr("torch.onnx.export", None)  # Whoever exports again fails.
    with checked.exported(tmp_path), Workbench(SETUP, tmp_path) as bench:
        for network in checked.networks:
            bench.template(network)


def test_networks_that_cannot_be_exported_are_refused_all_at_once(tmp_path):
    checked = check_setup(SETUP, [users("unexportable"), users("unexportable_too")], SCHEMES)
    with pytest.raises(InputError) as caught, checked.exported(tmp_path):
        pass
    assert tree(tmp_path) == {}
    for name in ("unexportable", "unexportable_too"):
        assert f"{HERE}:{name}@1/16px" in str(caught.value)


def test_a_scheme_that_no_layer_of_a_network_takes_is_refused_before_training(tmp_path):
    networks = [users("convolutional"), users("scales"), PLAIN]
    schemes = ("fp32", "fp16", "int8_static", "int4_weight_only", "int8_dynamic")
    checked = check_setup(SETUP, networks, schemes)
    with pytest.raises(InputError) as caught, checked.exported(tmp_path):
        pass
    assert tree(tmp_path) == {}
    first = "no layer of this network becomes integers under"
    count, convolutional, scales = str(caught.value).splitlines()
    assert count == "2 faults:"
    assert convolutional == (
        f"  {HERE}:convolutional@1/16px: {first} int8_dynamic: quantize.scheme "
        "can have fp32, fp16, int8_static, int4_weight_only"
    )
    assert scales == (
        f"  {HERE}:scales@1/16px: {first} int8_static, int4_weight_only, int8_dynamic: "
        "quantize.scheme can have fp32, fp16"
    )
    checked = check_setup(SETUP, networks, schemes[:2])
    with checked.exported(tmp_path):
        pass


@pytest.mark.parametrize("name", ["pair", "tied", "viewing"])
def test_such_a_network_goes_through_the_whole_chain_as_teacher_and_student(name, tmp_path):
    network = users(name)
    setup = replace(SETUP, teacher=TeacherConfig(network, TrainTeacher(Schedule(2, 0.01))))
    check_setup(setup, [network], SCHEMES)
    student = StudentConfig(
        network,
        (
            Distill(3, 0.01, batch_size=16, method=Logit(0.5, 4)),
            Adapt(2, 0.005, rank=2, lora_alpha=4, targets="dense"),
        ),
        seed=1,
    )
    with Workbench(setup, tmp_path) as bench:
        trained = bench.train_student(student, lambda _: Verdict.GO_ON)
        for scheme in ("fp32", "int8_static"):
            scored = bench.evaluate(trained, network, SCHEMES[scheme], "validation")
            if scheme == "fp32":
                assert scored.accuracy == trained.accuracy
