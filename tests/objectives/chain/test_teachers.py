"""Teachers beside a study's own, made and asked; weights that networks begin with."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torchvision import models

from objectives import Verdict, check_setup, file_inputs
from objectives.chain.keys import StageKeys
from objectives.chain.workbench import Workbench
from objectives.data import load_data
from objectives.models import initialised_model, save_weights
from spaces import (
    DataConfig,
    Distill,
    Dml,
    Ensemble,
    Hint,
    InputError,
    Lesson,
    LoadTeacher,
    Logit,
    NamedTeacher,
    Network,
    Schedule,
    StudentConfig,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
    UnknownNameError,
)

DATA = DataConfig(
    "digits", image_size=8, train_limit=200, validation_limit=60, test_limit=40, views=1
)
NETWORK = Network("resnet8x4", 0.125, image_size=8)
TEACHER = TeacherConfig(
    Network("cifar_resnet20", 0.5, image_size=8), TrainTeacher(Schedule(3, 0.01))
)
DISTILL = Distill(1, 0.01, method=Logit(0.9, 4))
PRETRAINED = "IMAGENET1K_V1"


def trained(schedule=Schedule(2, 0.01), **more):  # noqa: B008
    return TeacherConfig(Network("resnet8x4", 0.25, image_size=8), TrainTeacher(schedule, **more))


def setup(data=DATA, own=TEACHER, **made):
    teachers = tuple(NamedTeacher(name, one) for name, one in made.items())
    return StudySetup(data, own, seed=1, teachers=teachers)


def earlier(epoch):
    return replace(TEACHER, weights=replace(TEACHER.weights, until=epoch))


def student(teacher="teacher", **more):
    return StudentConfig(NETWORK, (replace(DISTILL, teacher=teacher, **more),), seed=1)


def go_on(_):
    return Verdict.GO_ON


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """A teacher whose weights lie in a file; it knows as much as its seed does."""
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    network = Network("resnet8x4", 0.25, image_size=8)
    save_weights(initialised_model(network, 10, seed=9), path)
    return TeacherConfig(network, LoadTeacher(str(path)))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def bench(cache, loaded):
    made = setup(
        early=earlier(2),
        loaded=loaded,
        both=Ensemble(("teacher", "loaded")),
        assistant=trained(lesson=Lesson("both", Logit())),
        alone=trained(),
        idle=trained(lesson=Lesson("both", Logit(alpha=0))),
        other_seed=trained(seed=8),
    )
    with Workbench(made, cache) as bench:
        yield bench


def weights_of(cache, bench, name):
    entry = cache / "stages" / "entries" / bench.keys.teacher(name)
    return load_file(entry / "weights.safetensors").values()


def test_an_earlier_teacher_is_the_studys_own_as_it_was_then(bench):
    reports = []
    last = bench.teacher(lambda report: reports.append(report) or Verdict.GO_ON)
    early = bench.named_teacher("early", go_on)
    assert early.accuracy == reports[1].accuracy
    assert [stage.epochs for stage in early.stages] == [2]
    assert early.stages[0].stage == "teacher early"
    assert last.accuracy == reports[2].accuracy
    assert early.key != last.key


def test_an_ensemble_says_the_mean_of_what_its_members_say(bench):
    for split in ("validation", "test"):
        said = [
            np.exp(bench.teacher_log_probabilities(split, name))
            for name in ("both", "teacher", "loaded")
        ]
        np.testing.assert_allclose(said[0], (said[1] + said[2]) / 2, atol=1e-6)
    right = said[0].argmax(1) == bench.data.labels("test")
    assert 0 <= right.mean() <= 1
    guesses = bench.teacher_log_probabilities("validation", "both").argmax(1)
    made = bench.named_teacher("both", go_on)
    assert made.accuracy == pytest.approx(np.mean(guesses == bench.data.labels("validation")))
    assert made.stages == ()


def test_an_assistant_learns_from_its_teacher_and_without_it_as_anybody(bench, cache):
    for name in ("assistant", "alone", "idle", "other_seed"):
        bench.named_teacher(name, go_on)
    weights = {
        name: torch.cat([value.flatten().float() for value in weights_of(cache, bench, name)])
        for name in ("assistant", "alone", "idle", "other_seed")
    }
    torch.testing.assert_close(weights["idle"], weights["alone"], rtol=0, atol=0)
    assert not torch.equal(weights["assistant"], weights["alone"])
    assert not torch.equal(weights["other_seed"], weights["alone"])


def test_a_teacher_of_its_own_augmentation_learns_as_one_of_a_study_whose_data_say_so(tmp_path):
    data = replace(DATA, views=0, train_limit=100)
    quick, jittered = Schedule(1, 0.01), ("shift", "jitter")
    bits = []
    for number, (of_data, own) in enumerate(
        [(jittered, "data"), (("shift",), "shift+jitter"), (("shift",), "data")]
    ):
        made = setup(replace(data, augment=of_data), trained(quick, augment=own))
        with Workbench(made, tmp_path / str(number)) as bench:
            bits.append(bench.teacher(go_on).weights.read_bytes())
    assert bits[0] == bits[1] != bits[2]


@pytest.mark.parametrize(
    ("views", "seen", "recorded"),
    [(0, {}, None), (1, {}, "views"), (0, {"teacher_view": "plain"}, "plain")],
)
@pytest.mark.parametrize("method", [Logit(0.9, 4), Hint(), Dml("teacher")])
def test_a_student_of_a_named_teacher_is_that_of_a_study_whose_own_it_is(
    tmp_path, loaded, views, seen, recorded, method
):
    data = replace(DATA, views=views, train_limit=100)
    bits = []
    for made, name in ((setup(data, loaded=loaded), "loaded"), (setup(data, loaded), "teacher")):
        with Workbench(made, tmp_path / name) as bench:
            trained = bench.train_student(student(name, method=method, **seen), go_on)
            bits.append(trained.weights.read_bytes())
            # Logits of another one than the study's own are recorded for themselves.
            kept = recorded if method == Logit(0.9, 4) else None
            for images in ("views", "plain"):
                has = bench.cache.has(bench.keys.teacher_logits(images, name))
                assert has is (images == kept)
    assert bits[0] == bits[1]


def test_keys_follow_what_a_teacher_is_and_not_what_it_is_called(loaded):
    data = load_data(DATA)

    def keys(**made):
        return StageKeys(setup(**made), data)

    plain = keys()
    named = keys(one=TEACHER, early=earlier(2), both=Ensemble(("teacher", "early")))
    assert named.teacher() == plain.teacher() == named.teacher("one")
    assert named.stage(student()) == plain.stage(student())
    asked = [named.stage(student(name)) for name in ("teacher", "early", "both")]
    assert len(set(asked)) == 3
    # Another early teacher, another ensemble of it, and another student of that.
    other = keys(early=earlier(1), both=Ensemble(("teacher", "early")))
    assert other.teacher("both") != named.teacher("both")
    assert other.stage(student("both")) != named.stage(student("both"))
    taught = [
        keys(a=trained(lesson=Lesson("b", Logit())), b=made).teacher("a")
        for made in (earlier(1), earlier(2), loaded)
    ]
    assert len(set(taught)) == 3
    assert {plain.teacher(), plain.teacher_logits("views")} < set(plain.all_teachers())
    assert len(named.all_teachers()) == 4 * 5
    with pytest.raises(UnknownNameError, match="unknown teacher 'tutor': known are teacher, one"):
        named.stage(student("tutor"))


def refused(made, *stages, networks=(NETWORK,)):
    with pytest.raises(InputError) as caught:
        check_setup(made, networks, ["fp32"], stages)
    return str(caught.value)


def test_every_teacher_is_tried_before_anything_is_trained(tmp_path, loaded):
    made = setup(loaded=loaded, both=Ensemble(("teacher", "loaded")))
    taught = [replace(DISTILL, teacher=name) for name in ("teacher", "loaded", "both")]
    check_setup(replace(made, teachers=()), [NETWORK], ["fp32"], taught[:1])
    stages = [replace(stage, method=Hint()) for stage in taught]
    line = refused(setup(early=earlier(1), both=Ensemble(("teacher", "early"))), *stages[::2])
    assert line == (
        "resnet8x4@0.125/8px: taught by both: hint looks at its teacher's layers, and an ensemble "
        "has none of its own: let it learn from one network, or by a method of logits"
    )
    several = setup(early=earlier(1), both=Ensemble(("teacher", "early")))
    peers = [replace(stage, method=Dml("teacher")) for stage in stages[::2]]
    assert refused(several, *peers) == (
        "resnet8x4@0.125/8px: taught by both: dml trains its teacher on, and an ensemble is "
        "several networks: let it learn from one, or by a method of logits"
    )
    with Workbench(several, tmp_path) as bench:
        asked = student("both", method=Dml("teacher"))
        with pytest.raises(InputError, match="dml trains its teacher on, and an ensemble is"):
            bench.train_student(asked, go_on)
    layer = replace(DISTILL, method=Hint(teacher_layer="layer9"), teacher="early")
    line = refused(setup(early=earlier(1)), layer)
    assert line.startswith("resnet8x4@0.125/8px: taught by early: unknown layer of the teacher 'l")
    absent = replace(loaded, weights=LoadTeacher(str(tmp_path / "absent.pth")))
    line = refused(setup(absent=absent))
    assert line.startswith(f"weights {tmp_path / 'absent.pth'} do not exist")
    wrong = replace(TEACHER, network=Network("resnet8x4", 0.5, image_size=8))
    line = refused(setup(wrong=replace(loaded, network=wrong.network)))
    assert "are not of resnet8x4@0.5/8px" in line


@pytest.fixture
def cached(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")

    def write(seed):
        torch.manual_seed(seed)
        url = models.get_model_weights("squeezenet1_1")[PRETRAINED].url
        path = tmp_path / "hub" / "checkpoints" / url.rpartition("/")[2]
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(models.get_model("squeezenet1_1", weights=None).state_dict(), path)
        return path

    return write


SQUEEZE = Network("squeezenet1_1", image_size=32)
FINE_TUNED = TeacherConfig(SQUEEZE, TrainTeacher(Schedule(1, 1e-6, 32), pretrained=PRETRAINED))


def test_teacher_and_student_begin_with_the_weights_and_their_content_is_in_keys_and_inputs(
    tmp_path, cached
):
    data = replace(DATA, train_limit=64, views=0)
    made = setup(data, FINE_TUNED)
    begun = replace(DISTILL, learning_rate=1e-6, batch_size=32, pretrained=PRETRAINED)
    pupil = StudentConfig(SQUEEZE, (begun,), seed=1)
    keys, inputs, found = [], [], {}
    for seed in (1, 2):
        path = cached(seed)
        check_setup(made, [SQUEEZE], ["fp32"], [begun])
        with Workbench(made, tmp_path / "cache") as bench:
            keys.append((bench.keys.teacher(), bench.keys.stage(pupil)))
            inputs += file_inputs(made, [SQUEEZE], pupil.stages)
            if seed == 1:
                found = {
                    "teacher": bench.teacher(go_on).weights,
                    "student": bench.train_student(pupil, go_on).weights,
                }
                written = torch.load(path)
                for weights in map(load_file, found.values()):
                    # A learning rate of next to nothing leaves them where they began.
                    name = "features.12.expand3x3.weight"
                    torch.testing.assert_close(weights[name], written[name], rtol=0, atol=1e-3)
                    assert weights["classifier.1.weight"].shape[0] == 10
    assert [each.name for each in inputs] == [f"{PRETRAINED} of squeezenet1_1"] * 2
    assert len({each.digest for each in inputs}) == 2
    assert len({key for pair in keys for key in pair}) == 4


def test_weights_that_are_not_there_are_one_line_before_any_training(cached):
    begun = replace(DISTILL, pretrained=PRETRAINED)
    line = refused(setup(own=FINE_TUNED))
    assert line.startswith(f"squeezenet1_1@1: pretrained {PRETRAINED}: expected in ")
    assert "cannot be had from https://download.pytorch.org/" in line
    assert len(line.splitlines()) == 1
    cached(1)
    line = refused(setup(), begun, networks=(SQUEEZE, NETWORK))
    assert line.startswith(f"resnet8x4@0.125/8px: pretrained {PRETRAINED}: torchvision has weights")
