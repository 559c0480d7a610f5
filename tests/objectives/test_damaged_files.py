"""Files damaged at random are read or refused: nothing else comes of them, at any number."""

import os
import random
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from objectives.data.decoding import Decoder, shorter_sides
from objectives.data.image_folders import FolderReader
from objectives.models import initialised_model, load_weights
from objectives.models.weight_files import read_weight_file, reading
from spaces import InputError, Network
from tests.objectives.mutations import Files, checkpoints, images, mutated

resource = pytest.importorskip("resource", reason="it tells how much memory was taken at most")

SEED = int(os.environ.get("DISTILFRONT_MUTATION_SEED", "0"))
COUNTS = [
    60,
    pytest.param(int(os.environ.get("DISTILFRONT_MUTATIONS", "5000")), marks=pytest.mark.long),
]
LONGEST_S, MOST_KIB = 20, 2**21


def escapes(files: Files, count: int, read: Callable[[str, bytes], None]) -> list[str]:
    """Return what came of `count` damaged files beside being read and an InputError in one line."""
    print(f"DISTILFRONT_MUTATION_SEED={SEED}")
    found, outcomes = [], Counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(count):
        name, content = mutated(files, random.Random(f"{SEED}-{number}"))
        outcome, begun = "read", time.perf_counter()
        try:
            read(name, content)
        except InputError as error:
            outcome = "refused"
            if not str(error).isprintable():
                found.append(f"{number} ({name}): {str(error)!r}")
        except BaseException as error:  # noqa: BLE001 - that is what is looked for
            outcome = "escaped"
            found.append(f"{number} ({name}): {type(error).__name__}: {str(error)[:200]}")
        outcomes[outcome] += 1
        if time.perf_counter() - begun > LONGEST_S:
            found.append(f"{number} ({name}): took {time.perf_counter() - begun:.0f} s")
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{count} files: {dict(outcomes)}, {more / 2**10:.0f} MiB more at most")
    if more > MOST_KIB:
        found.append(f"{more / 2**20:.1f} GiB of memory")
    return found


@pytest.fixture
def silent(capfd, caplog):
    """Let nothing be printed, warned of or logged."""
    with warnings.catch_warnings(record=True, action="always") as said:
        yield
    print(*(f"{each.category.__name__}: {each.message}" for each in said), sep="\n")
    assert not said
    assert not caplog.records
    assert not capfd.readouterr().err


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.usefixtures("silent")
def test_damaged_checkpoints_are_read_or_refused(tmp_path, monkeypatch, count):
    monkeypatch.chdir(tmp_path)  # The marker's path is in the files: the same in every run.
    network = Network("resnet8x4", 0.25)
    sound, model = (initialised_model(network, 3, seed) for seed in (1, 2))
    marker, path, whole = Path("executed"), tmp_path / "weights.pth", tmp_path / "whole.pth"
    torch.save({"weight": torch.ones(1)}, whole)

    def read(_: str, content: bytes) -> None:
        path.write_bytes(content)
        try:
            load_weights(model, path, network.key, classes=3)
        finally:  # The next file is not blamed for it.
            try:
                with reading(whole):
                    read_weight_file(whole)
            except InputError as error:
                raise AssertionError(f"after it a sound file is refused: {error}") from error
        for key, value in model.state_dict().items():
            assert value.isfinite().all(), key
            assert "running_var" not in key or (value >= 0).all(), key

    assert not escapes(checkpoints(sound.state_dict(), sound, marker), count, read)
    assert not marker.exists()


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.usefixtures("silent")
def test_damaged_images_are_read_or_refused(tmp_path, count):
    for kind in ("a", "b"):
        (tmp_path / kind).mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "b" / "sound.png")

    def read(name: str, content: bytes) -> None:
        path = tmp_path / "a" / name
        path.write_bytes(content)
        decoder = Decoder(16)
        try:
            shorter_sides(tmp_path, 1)
            shown = FolderReader(decoder).images(tmp_path).read(np.array([0]))
        finally:
            path.unlink()
        decoder.check()
        assert (shown.shape, shown.dtype) == ((1, 3, 16, 16), torch.uint8)

    assert not escapes(images(), count, read)
