"""Learned codes are a stage: made once, shared, gone on with after a kill."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from objectives.chain import codes
from objectives.chain.cache import Draft, StageCache
from objectives.chain.codes import learn_codes
from objectives.chain.keys import StageKeys, keys_of_students
from objectives.data import load_data
from objectives.runtimes import onnx_rounding
from objectives.runtimes.onnx_runtime import OnnxRuntime
from objectives.runtimes.onnx_writer import OnnxArtifactWriter
from spaces import (
    DataConfig,
    Distill,
    Network,
    Schedule,
    StudentConfig,
    StudySetup,
    TeacherConfig,
    TrainTeacher,
    scheme_named,
)
from tests.objectives.networks import CLASSES, RESNET20, images, weights_file

SCHEME = scheme_named("int3_weight_only+gpfq+bias_corrected")
KILLED_AT = 6

KILLED = f"""
import os, signal, sys
from pathlib import Path
from objectives.chain import codes
from objectives.chain.cache import StageCache
from objectives.runtimes import onnx_rounding
from tests.objectives.chain.test_codes import SCHEME, new_writer
codes._SAVED_EVERY_S = 0
own, count = onnx_rounding.chosen_weight, 0
def chosen(*given):
    global count
    count += 1
    if count > {KILLED_AT}:
        os.kill(os.getpid(), signal.SIGKILL)
    return own(*given)
onnx_rounding.chosen_weight = chosen
folder = Path(sys.argv[1])
codes.learn_codes(new_writer(folder), SCHEME, StageCache(folder / "cache", 2**30), "a")
"""


def new_writer(folder: Path) -> OnnxArtifactWriter:
    (folder / "templates").mkdir(exist_ok=True)
    template = OnnxRuntime().template(RESNET20, CLASSES, folder / "templates")
    return template.writer(weights_file(RESNET20, 3, folder), images(16, 3))


@pytest.fixture
def cache(tmp_path: Path) -> StageCache:
    return StageCache(tmp_path / "cache", 2**30)


@pytest.fixture
def rounded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with every layer that is rounded."""
    own: Callable[..., object] = onnx_rounding.chosen_weight
    found: list[int] = []

    def chosen(*given: object) -> object:
        found.append(1)
        return own(*given)

    monkeypatch.setattr(onnx_rounding, "chosen_weight", chosen)
    return found


def content(writer: OnnxArtifactWriter) -> bytes:
    return writer.content(SCHEME).SerializeToString(deterministic=True)


def test_what_is_in_the_cache_is_not_learned_again(
    cache: StageCache, rounded: list[int], tmp_path: Path
) -> None:
    first, plain, second = (new_writer(tmp_path) for _ in range(3))
    assert learn_codes(first, SCHEME, cache, "a") == 0
    layers = len(rounded)
    assert layers == 22
    expected = content(first)
    assert len(rounded) == layers
    assert learn_codes(second, SCHEME, cache, "a") == 0
    assert content(second) == expected
    assert len(rounded) == layers
    assert content(plain) == expected  # Learned where it is written, without a cache.
    assert len(rounded) == 2 * layers


def test_what_was_killed_goes_on_at_the_layer_where_it_was(
    cache: StageCache, rounded: list[int], tmp_path: Path
) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    writer = new_writer(tmp_path)
    spent = learn_codes(writer, SCHEME, cache, "a")
    assert 0 < spent < 60
    assert len(rounded) == 22 - KILLED_AT
    got = content(writer)
    assert got == content(new_writer(tmp_path))
    with ExitStack() as leases:
        entry = cache.obtain("a", lambda _: False, leases)
        assert entry is not None
        assert entry.notes["seconds"] > spent


def test_a_damaged_entry_is_learned_again(
    cache: StageCache, rounded: list[int], tmp_path: Path
) -> None:
    expected = new_writer(tmp_path)
    learn_codes(expected, SCHEME, cache, "a")
    (file,) = cache._entries.rglob(codes._FILE)
    file.write_bytes(file.read_bytes()[:-4] + b"abcd")
    writer = new_writer(tmp_path)
    learn_codes(writer, SCHEME, StageCache(tmp_path / "cache", 2**30), "a")
    assert len(rounded) == 44
    assert content(writer) == content(expected)


def test_an_entry_that_went_meanwhile_is_put_back_whole(
    cache: StageCache, rounded: list[int], tmp_path: Path
) -> None:
    """Its writer has the codes already, and learns nothing."""
    writer = new_writer(tmp_path)
    learn_codes(writer, SCHEME, cache, "a")
    shutil.rmtree(cache._entries / "a")
    learn_codes(writer, SCHEME, cache, "a")
    assert len(rounded) == 22
    second = new_writer(tmp_path)
    learn_codes(second, SCHEME, cache, "a")
    assert len(rounded) == 22
    assert content(second) == content(writer)


def test_codes_of_another_graph_are_not_taken(
    cache: StageCache, rounded: list[int], tmp_path: Path
) -> None:
    def build(draft: Draft) -> bool:
        with draft.publishing({"seconds": 1.0}) as folder:
            codes._write({"Conv_99": {"codes": np.zeros(3, np.int8)}}, folder)
        return True

    with ExitStack() as leases:
        cache.obtain("a", build, leases)
    writer = new_writer(tmp_path)
    learn_codes(writer, SCHEME, cache, "a")
    assert len(rounded) == 22
    assert content(writer) == content(new_writer(tmp_path))


def test_keys_are_of_weights_layout_and_calibration() -> None:
    network = Network("resnet8x4", 0.125, image_size=8)
    data = DataConfig("digits", image_size=8, train_limit=50, validation_limit=20, test_limit=20)
    setup = StudySetup(data, TeacherConfig(network, TrainTeacher(Schedule(1))), seed=1)
    keys = StageKeys(setup, load_data(setup.data))
    names = ("int3_weight_only+gpfq", "int3_block32+gpfq", "int3_weight_only+refined")
    schemes = [scheme_named(name) for name in names]
    found = {keys.codes(weights, scheme) for weights in "ab" for scheme in schemes}
    assert len(found) == 6
    student = StudentConfig(network, (Distill(epochs=1),), 0)
    needed = keys_of_students(setup, [student], [*schemes, scheme_named("int8_static")])
    for weights in (keys.stage(student), keys.teacher()):
        assert {keys.codes(weights, scheme) for scheme in schemes} <= needed
    assert len(needed) == len(np.unique([*needed]))
