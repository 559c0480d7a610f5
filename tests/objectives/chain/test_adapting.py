"""Every method of adapting through the whole chain: trained, interrupted, merged, exported, run."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch

from objectives import StoppedStudent, TrainedStudent, Verdict
from objectives.chain.workbench import Workbench
from objectives.data import load_data
from objectives.models import build_model, load_weights
from objectives.training import logits_of
from spaces import (
    ADAPTERS,
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
    scheme_named,
)
from tests.objectives.models import users_networks

SEPARABLE = Network(f"{users_networks.__name__}:separable", image_size=16)
PLAIN = Network("resnet8x4", 0.125, image_size=16)
SETUP = StudySetup(
    DataConfig("digits", 16, train_limit=96, validation_limit=60, test_limit=20, augment=False),
    TeacherConfig(PLAIN, TrainTeacher(Schedule(1, 0.01, batch_size=32))),
    seed=1,
)
DISTILL = Distill(2, 0.02, batch_size=32, method=NoTeacher())
SHORT = Adapt(2, 0.02, batch_size=32)


def student(method):
    """Return one that is adapted by `method`, on every layer that it can adapt."""
    network = SEPARABLE if ADAPTERS[method].grouped else PLAIN
    low_rank = {"rank": 2, "targets": "all" if ADAPTERS[method].grouped else "dense"}
    own = low_rank if ADAPTERS[method].has else {}
    return StudentConfig(network, (DISTILL, replace(SHORT, method=method, **own)), seed=1)


def go_on(_):
    return Verdict.GO_ON


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with Workbench(SETUP, tmp_path_factory.mktemp("cache")) as bench:
        yield bench


@pytest.mark.parametrize("method", ADAPTERS)
def test_a_student_is_adapted_interrupted_exported_and_run(bench, method, tmp_path):
    trained, network = bench.train_student(student(method), go_on), student(method).network
    assert isinstance(trained, TrainedStudent)
    assert trained.leaves.keys() == ({"adapter"} if ADAPTERS[method].leaves else set())
    weights = trained.weights.read_bytes()

    with Workbench(SETUP, tmp_path / "cut") as cut:
        stops_at = lambda report: (  # noqa: E731
            Verdict.STOP if (report.stage, report.epoch) == ("adapt", 1) else Verdict.GO_ON
        )
        assert isinstance(cut.train_student(student(method), stops_at), StoppedStudent)
    with Workbench(SETUP, tmp_path / "cut") as cut:
        assert cut.train_student(student(method), go_on).weights.read_bytes() == weights

    before = bench.train_student(student(method).prefix(1), go_on)
    assert before.weights.read_bytes() != weights
    model = build_model(network, 10)
    load_weights(model, trained.weights, "it")
    data = load_data(SETUP.data)
    images = data.tensor("validation", "cpu")
    expected = logits_of(model, images).numpy()
    for scheme, within in (("fp32", 1e-4), ("int8_static", 0.1)):
        artifact = tmp_path / f"{scheme}.onnx"
        said = bench.evaluate(trained, network, scheme_named(scheme), "validation", keep=artifact)
        session = onnxruntime.InferenceSession(artifact, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        logits = np.concatenate([session.run(None, {name: one[None].numpy()})[0] for one in images])
        assert np.abs(logits - expected).max() <= within * np.abs(expected).max()
        assert said.accuracy == np.mean(logits.argmax(1) == data.labels("validation"))


def statistics(path):
    model = build_model(PLAIN, 10)
    load_weights(model, path, "it")
    return torch.cat([value for name, value in model.state_dict().items() if "running" in name])


@pytest.mark.parametrize("method", ["lora", "full", "classifier_only"])
def test_only_full_fine_tuning_learns_the_statistics(bench, method):
    before, after = (
        statistics(bench.train_student(student(method).prefix(stages), go_on).weights)
        for stages in (1, 2)
    )
    assert torch.equal(before, after) == (method != "full")


def test_what_it_learns_from_is_asked_and_decides_the_key(bench):
    """From labels nobody asks the teacher; with half of it the student ends elsewhere."""
    plain = student("lora")
    heads = {
        word: StudentConfig(
            PLAIN, (plain.stages[0], replace(plain.stages[1], learns_from=word)), seed=1
        )
        for word in ("as_before", "labels", "teacher", "both")
    }
    assert {word for word, one in heads.items() if one.needs_teacher} == {"teacher", "both"}
    assert len({bench.keys.stage(one) for one in heads.values()}) == 4
    found = {
        word: bench.train_student(one, go_on).weights.read_bytes() for word, one in heads.items()
    }
    # The stage before learned from labels.
    assert found["as_before"] == found["labels"]
    assert len(set(found.values())) == 3
    settings = {word: one.teaching(1) for word, one in heads.items()}
    assert settings["teacher"].alpha == 1
    assert settings["both"].alpha == 0.9
    assert settings["teacher"].temperature == settings["both"].temperature == 4
