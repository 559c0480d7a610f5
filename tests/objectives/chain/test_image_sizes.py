"""Networks that see images of another size than the data is held at."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from objectives import Verdict, trust_modules
from objectives.chain.preflight import check_setup
from objectives.chain.workbench import Workbench
from objectives.costs.bundle import write_bundle
from objectives.costs.measurement import flops_and_parameters, measure_costs
from objectives.costs.study_costs import write_candidates
from objectives.data import Data, resized
from objectives.models import initialised_model
from objectives.training import TrainingGround
from spaces import (
    SCHEMES,
    Adapt,
    DataConfig,
    Distill,
    InputError,
    Logit,
    Network,
    Schedule,
    StudentConfig,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
)

SETUP = StudySetup(
    DataConfig(
        "digits",
        image_size=32,
        train_limit=600,
        validation_limit=100,
        test_limit=20,
        calibration_images=32,
    ),
    TeacherConfig(Network("cifar_resnet20", 0.5, image_size=16), TrainTeacher(Schedule(1, 0.01))),
    seed=1,
)
NETWORK = Network("resnet8x4", 0.125, image_size=24)
STUDENT = StudentConfig(
    NETWORK,
    (Distill(3, 0.01, batch_size=16, method=Logit(0.5, 4)), Adapt(1, 0.005, rank=2, lora_alpha=4)),
    seed=1,
)


def go_on(_):
    return Verdict.GO_ON


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    with Workbench(SETUP, tmp_path_factory.mktemp("cache")) as bench:
        yield bench


@pytest.fixture
def seen(monkeypatch):
    """Sizes of the images that first convolutions were shown, by the shape of their weights."""
    sizes = {}
    plain = nn.Conv2d.forward

    def forward(self, images):
        if self.in_channels == 3:
            sizes.setdefault(self.weight.shape, set()).add(tuple(images.shape[-2:]))
        return plain(self, images)

    monkeypatch.setattr(nn.Conv2d, "forward", forward)
    return sizes


@pytest.mark.parametrize("views", [0, 2])
def test_everybody_sees_images_of_its_own_size(tmp_path, seen, views):
    setup = replace(SETUP, data=replace(SETUP.data, views=views))
    with Workbench(setup, tmp_path) as bench:
        bench.train_student(STUDENT, go_on)
        bench.teacher_log_probabilities("validation")
    student, teacher = (
        initialised_model(network, 10, 0).conv1.weight.shape
        for network in (NETWORK, SETUP.teacher.network)
    )
    assert student != teacher
    assert seen[teacher] == {(16, 16)}
    assert seen[student] == {(24, 24)}


def test_a_student_is_exported_and_scored_at_its_size(bench, tmp_path):
    trained = bench.train_student(STUDENT, go_on)
    assert trained.accuracy > 0.5  # chance is 0.1
    for name, scheme in SCHEMES.items():
        keep = tmp_path / f"{name}.onnx"
        scored = bench.evaluate(trained, NETWORK, scheme, "validation", keep)
        assert scored.images == 100
        shape = onnx.load(keep).graph.input[0].type.tensor_type.shape.dim
        assert [each.dim_value for each in shape[1:]] == [3, 24, 24]
        if name == "fp32":
            assert scored.accuracy == trained.accuracy
        images = bench.data.images("validation", 24)
        logits = bench.runtime.logits(keep, images, threads=1)
        right = logits.argmax(1) == bench.data.labels("validation")
        assert float(np.mean(right)) == scored.accuracy
    with pytest.raises(Exception, match="invalid dimensions"):
        bench.runtime.logits(keep, bench.data.images("validation", 32), threads=1)


def test_the_size_of_every_artifacts_images_reaches_the_profile(bench, tmp_path):
    networks = (SETUP.teacher.network, NETWORK, replace(NETWORK, image_size=32))
    (tmp_path / "artifacts").mkdir()
    candidates = write_candidates(bench, networks, ("fp32", "w4a8"), tmp_path / "artifacts")
    assert [(one.network, one.layout) for one in candidates] == [
        (network, layout) for network in networks for layout in ("fp32", "w4a8")
    ]
    teacher = networks[0].key
    write_bundle(tmp_path / "bundle", candidates, teacher, "onnxruntime", study="x")
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text())
    assert "image_size" not in manifest
    assert [(one["network"], one["image_size"]) for one in manifest["artifacts"]] == [
        (network.key, network.image_size) for network in networks for _ in range(2)
    ]
    # Each is timed on images of its own size, or it could not be run at all.
    table = measure_costs(candidates, teacher, "onnxruntime", processes=1, calls=20)
    for network in networks:
        cost = table.of(network.key, "fp32")
        model = initialised_model(network, 10, 0)
        assert (cost.flops, cost.parameters) == flops_and_parameters(model, network.image_size)
    small, large = (table.of(network.key, "fp32") for network in networks[1:])
    assert small.flops < large.flops
    assert small.parameters == large.parameters


def test_costs_weigh_what_a_trained_student_weighs(bench, tmp_path):
    trained = bench.train_student(STUDENT, go_on)
    for candidate in write_candidates(bench, (NETWORK,), tuple(SCHEMES), tmp_path):
        for scheme in SCHEMES.values():
            if scheme.layout.key == candidate.layout:
                scored = bench.evaluate(trained, NETWORK, scheme, "validation")
                assert scored.size_bytes == candidate.path.stat().st_size


def test_images_are_resized_once_they_are_normalised(bench):
    data: Data = bench.data
    held, small = data.images("validation", 32), data.images("validation", 24)
    assert (held.shape, small.shape) == ((100, 3, 32, 32), (100, 3, 24, 24))
    assert small.dtype == np.float32
    assert small.flags.c_contiguous
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(held), (24, 24), mode="bilinear", antialias=True
    )
    np.testing.assert_allclose(small, expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(small.mean((1, 2, 3)), held.mean((1, 2, 3)), atol=0.02)
    assert data.calibration(24).shape == (32, 3, 24, 24)
    whole = torch.randn(2, 3, 32, 32)
    assert resized(whole, 32) is whole


def test_training_and_the_runtime_see_the_same_pixels(bench):
    ground = TrainingGround(bench.data, "cpu")
    for size in (24, 32):
        ours = ground.validation(size).contiguous().numpy()
        assert np.array_equal(ours, bench.data.images("validation", size))
        assert ground.validation(size) is ground.validation(size)
        assert ground.statistics_images(size).shape[-2:] == (size, size)


def needs_32(classes):
    """Its last layer takes maps of images of 32 pixels, and of no others."""
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Flatten(), nn.Linear(4 * 16 * 16, classes))


def test_a_network_that_cannot_take_its_images_is_refused_before_anything_is_written():
    name = f"{__name__}:needs_32"
    trust_modules([__name__])
    networks = [NETWORK, Network(name)]
    check_setup(SETUP, networks, SCHEMES)
    with pytest.raises(
        InputError, match=r"needs_32@1/24px: cannot take images of 24 px: "
    ) as caught:
        check_setup(SETUP, [*networks, Network(name, image_size=24)], SCHEMES)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"executorch cannot write int4_weight_only, w4a8: "):
        check_setup(
            replace(SETUP, runtime="executorch"), networks, ("fp32", "w4a8", "int4_weight_only")
        )
