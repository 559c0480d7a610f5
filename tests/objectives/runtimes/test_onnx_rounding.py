"""Layers rounded one after another, as files of the very bytes of those rounded to nearest."""

from pathlib import Path

import numpy as np
import pytest

from objectives.runtimes.onnx_runtime import OnnxRuntime
from objectives.runtimes.onnx_writer import OnnxArtifactWriter
from spaces import Network, scheme_named
from tests.objectives.networks import CLASSES, MOBILENET, RESNET20, images, weights_file

SEEN = images(32, 3)


@pytest.fixture(scope="module", params=[RESNET20, MOBILENET], ids=str)
def writer(
    request: pytest.FixtureRequest, templates: Path, tmp_path_factory: pytest.TempPathFactory
) -> OnnxArtifactWriter:
    network: Network = request.param
    weights = weights_file(network, 3, tmp_path_factory.mktemp("weights"))
    return OnnxRuntime().template(network, CLASSES, templates).writer(weights, SEEN)


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        ("int2_weight_only", ("gpfq", "quantease")),
        ("int4_weight_only", ("quantease",)),
        ("w4a8", ("quantease",)),
    ],
)
def test_files_have_the_same_bytes_and_give_more_of_what_the_network_gives(
    preset: str, words: tuple[str, ...], writer: OnnxArtifactWriter, tmp_path: Path
) -> None:
    def logits(name: str) -> np.ndarray:
        path = tmp_path / f"{name}.onnx"
        writer.write(scheme_named(name), path)
        return OnnxRuntime().logits(path, SEEN, threads=1)

    exact, nearest = logits("fp32"), logits(preset)
    errors = [float(np.square(nearest - exact).sum())]
    for word in words:
        errors.append(float(np.square(logits(f"{preset}+{word}") - exact).sum()))
        sizes = {
            (tmp_path / f"{name}.onnx").stat().st_size for name in (preset, f"{preset}+{word}")
        }
        assert len(sizes) == 1
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.5 * errors[0]


def test_it_is_the_same_file_every_time(writer: OnnxArtifactWriter) -> None:
    scheme = scheme_named("int3_weight_only+gpfq")
    assert writer.content(scheme) == writer.content(scheme)
