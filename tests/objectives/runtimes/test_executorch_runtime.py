"""ExecuTorch programs against the network and against PT2E's converted module."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from objectives import trust_modules
from objectives.costs.measurement import Candidate, measure_costs
from objectives.models import save_weights
from objectives.runtimes import runtime_named
from objectives.runtimes.executorch_runtime import ExecutorchArtifactWriter, ExecutorchTemplate
from spaces import DistilfrontError, InputError, Layout, Network, Scheme, Static, scheme_named
from tests.objectives.networks import CLASSES, images, random_model

pytest.importorskip("executorch")

TINY = Network(f"{__name__}:tiny")
trust_modules([__name__])


def tiny(classes: int) -> nn.Module:
    """Lowered in a second or two."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU6(),
        nn.Conv2d(8, 8, 3, groups=8, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, classes),
    )


def make_writer(seed: int, folder: Path) -> ExecutorchArtifactWriter:
    template = runtime_named("executorch").template(TINY, CLASSES, folder)
    assert isinstance(template, ExecutorchTemplate)
    weights = folder / f"{seed}.safetensors"
    save_weights(random_model(TINY, seed), weights)
    return template.writer(weights, images(64, seed))


def convolutional(classes: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, classes, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def test_a_dynamic_layout_rounds_linear_layers_alone(tmp_path: Path):
    static, dynamic = (scheme_named(name).layout for name in ("int8_static", "int8_dynamic"))
    for name, linear in (("tiny", True), ("convolutional", False)):
        template = runtime_named("executorch").template(
            Network(f"{__name__}:{name}"), CLASSES, tmp_path
        )
        assert template.rounds(static)
        assert template.rounds(dynamic) == linear


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny network under fp32."""
    folder = tmp_path_factory.mktemp("program")
    make_writer(3, folder).write(scheme_named("fp32"), folder / "model.pte")
    return folder / "model.pte"


def test_fp32_is_the_network(program: Path):
    some = images(40, 2)
    with torch.inference_mode():
        expected = random_model(TINY, 3)(torch.from_numpy(some)).numpy()
    got = runtime_named("executorch").logits(program, some, threads=1)
    assert np.abs(got - expected).max() <= 1e-5 * np.abs(expected).max()


def test_static_program_computes_what_the_converted_module_does(tmp_path: Path):
    """PT2E's module quantizes in torch; the logits of both lie on one grid of 256 steps."""
    writer = make_writer(3, tmp_path)
    writer.write(scheme_named("int8_static"), tmp_path / "model.pte")
    converted = writer.program(scheme_named("int8_static")).module()
    some = images(40, 2)
    expected = np.concatenate([converted(x[None]).numpy() for x in torch.from_numpy(some)])
    got = runtime_named("executorch").logits(tmp_path / "model.pte", some, threads=1)
    steps = np.diff(np.unique(expected))
    # A sum that rounds otherwise in the kernel moves a later one: two steps at most were seen.
    assert np.abs(got - expected).max() <= 2.01 * steps[steps > 1e-6].min()


@pytest.mark.long
def test_programs_are_timed_like_any_artifact(program: Path):
    candidate = Candidate(TINY, "fp32", program, flops=1, parameters=1)
    table = measure_costs([candidate], TINY.key, "executorch", processes=1, calls=20)
    assert table.of(TINY.key, "fp32").median_ms > 0
    assert table.device["runtime"].startswith("executorch 1.")


def test_scheme_it_cannot_write_is_refused_with_those_it_can(tmp_path: Path):
    with pytest.raises(InputError, match="cannot write w4a8: it can write fp32, int8_static"):
        make_writer(3, tmp_path).write(scheme_named("w4a8"), tmp_path / "model.pte")
    assert not (tmp_path / "model.pte").exists()


@dataclass(frozen=True)
class Unknown(Layout):
    """A layout that no runtime has heard of."""

    kind = "unknown"


@pytest.mark.parametrize(
    ("scheme", "words"),
    [
        (Scheme("mine", Unknown()), "executorch cannot write mine"),
        (Scheme("int8_static", Unknown()), "no way to write the layout unknown"),
        (Scheme("int8_static", Static(4)), "no way to write the layout w4a8"),
    ],
)
def test_a_layout_it_does_not_know_is_refused_and_not_written_as_another(
    scheme: Scheme, words: str, tmp_path: Path
):
    with pytest.raises(DistilfrontError, match=words):
        make_writer(3, tmp_path).write(scheme, tmp_path / "model.pte")
    assert not (tmp_path / "model.pte").exists()


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["fp32", "int8_static", "int8_dynamic"])
def test_programs_are_exact_in_size_and_near_the_network(scheme: str, tmp_path: Path):
    assert scheme in runtime_named("executorch").schemes()
    artifact, again, other = (tmp_path / f"{name}.pte" for name in ("first", "again", "other"))
    make_writer(3, tmp_path).write(scheme_named(scheme), artifact)
    make_writer(3, tmp_path).write(scheme_named(scheme), again)
    make_writer(4, tmp_path).write(scheme_named(scheme), other)
    assert artifact.read_bytes() == again.read_bytes()
    assert artifact.stat().st_size == other.stat().st_size
    some = images(40, 2)
    with torch.inference_mode():
        expected = random_model(TINY, 3)(torch.from_numpy(some)).numpy()
    got = runtime_named("executorch").logits(artifact, some, threads=1)
    assert np.abs(got - expected).max() <= 0.06 * np.abs(expected).max()
