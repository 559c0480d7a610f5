"""Files whose layers have as many bits as they need."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from objectives.chain.preflight import check_setup
from objectives.runtimes.onnx_runtime import OnnxRuntime
from objectives.runtimes.onnx_writer import OnnxArtifactWriter
from spaces import (
    SCHEMES,
    BitsByLayer,
    DataConfig,
    InputError,
    LayerSensitivity,
    Network,
    Schedule,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
    scheme_named,
)
from tests.objectives.networks import CLASSES, RESNET20, images, weights_file

SEEN = images(32, 3)


def writer_of(
    seed: int, templates: Path, folder: Path, *told: LayerSensitivity
) -> OnnxArtifactWriter:
    template = OnnxRuntime().template(RESNET20, CLASSES, templates)
    return template.writer(weights_file(RESNET20, seed, folder), SEEN, told)


def test_names_say_the_budget() -> None:
    assert scheme_named("by_layer_2.5").layout == BitsByLayer(2.5)
    assert scheme_named("by_layer_3+refined").layout == BitsByLayer(3)
    assert scheme_named("by_layer_2.5").layout.key == "w2.5avg"
    for name in (
        "by_layer_",
        "by_layer_1.9",
        "by_layer_9",
        "by_layer_3.0",
        "by_layer_x",
        "aby_layer_3",
        "by_layer_nan",
    ):
        assert name not in SCHEMES


def test_a_file_has_no_more_bits_than_its_budget_whatever_the_weights(
    templates: Path, tmp_path: Path
) -> None:
    told = writer_of(3, templates, tmp_path).sensitivity(SEEN)
    lost = np.sum([each.losses for each in told], axis=0)
    assert np.all(np.diff(lost) > 0)
    # A network that learned nothing hardly loses anything: as if it had.
    random = np.random.default_rng(1)
    told = tuple(
        LayerSensitivity(each.layer, tuple(np.sort(random.lognormal(-3, 2, 4)).tolist()))
        for each in told
    )
    sizes, runtime = {}, OnnxRuntime()
    for seed in (3, 4):
        writer = writer_of(seed, templates, tmp_path, *told)
        for name in ("int8_weight_only", "by_layer_4", "by_layer_3", "by_layer_3+gpfq"):
            path = tmp_path / f"{name}.onnx"
            writer.write(scheme_named(name), path)
            assert sizes.setdefault(name, path.stat().st_size) == path.stat().st_size
            assert np.isfinite(runtime.logits(path, SEEN, threads=1)).all()
    assert sizes["by_layer_3"] == sizes["by_layer_3+gpfq"] < sizes["by_layer_4"]
    tensors = onnx.load(tmp_path / "by_layer_3.onnx").graph.initializer
    codes = [one for one in tensors if one.name.endswith("_codes")]
    assert len({one.data_type for one in codes} | {len(one.dims) for one in codes}) > 2
    weights = sum(
        np.prod(one.shape) for one in map(numpy_helper.to_array, tensors) if one.ndim == 4
    )
    assert weights > 0
    stored = sum(len(one.raw_data) for one in codes)
    whole = onnx.load(tmp_path / "int8_weight_only.onnx").graph.initializer
    count = sum(len(one.raw_data) for one in whole if one.name.endswith("_codes"))
    assert stored <= count * 3 / 8 + 8 * len(codes)


def test_what_a_study_lacks_is_told_before_any_training() -> None:
    network = Network("resnet8x4", 0.125, image_size=8)
    data = DataConfig("digits", image_size=8, train_limit=50, validation_limit=20, test_limit=20)
    setup = StudySetup(data, TeacherConfig(network, TrainTeacher(Schedule(1))), seed=1)
    one = replace(setup, data=replace(data, calibration_images=1))
    for scheme in ("int8_static", "int4_weight_only+gpfq"):
        with pytest.raises(InputError, match=r"1 of them show one class of 10: raise data.calib"):
            check_setup(one, [network], ["fp32", scheme])
    check_setup(one, [network], ["fp32", "int4_weight_only"])
    with pytest.raises(InputError, match=r"by_layer_3 needs a table \[sensitivity\] in the study"):
        check_setup(setup, [network], ["fp32", "by_layer_3"])
    other = replace(setup, sensitivity=(LayerSensitivity("elsewhere.weight", (0, 0, 0, 1)),))
    with pytest.raises(InputError, match=r"no layer of resnet8x4@0.125/8px, but elsewhere.weight"):
        check_setup(other, [network], ["fp32", "by_layer_3"])
