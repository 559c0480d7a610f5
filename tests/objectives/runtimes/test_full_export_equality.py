"""Every scheme's filled file computes what an independent full export with the same scales does."""

from pathlib import Path

import numpy as np
import pytest

from objectives.runtimes.onnx_runtime import OnnxRuntime
from spaces import SCHEMES, Calibration, Network, Static, scheme_named
from tests.objectives import full_export
from tests.objectives.networks import (
    CLASSES,
    IMAGE_SIZE,
    MOBILENET,
    RESNET18,
    RESNET20,
    images,
    random_model,
    weights_file,
)

ROUNDING = 5e-6
"""Of the largest logit: torch.fx and we round a folded weight differently once in a million."""

CASES = [
    pytest.param(
        network,
        scheme,
        # Exporting the others takes 3 to 8 seconds, once per scheme.
        marks=[]
        if (network == RESNET20 and scheme[:4] not in ("int7", "int6", "int5"))
        or (network, scheme) in {(MOBILENET, "int8_static"), (RESNET18, "fp32")}
        else [pytest.mark.long],
        id=f"{network.key}-{scheme}",
    )
    for network in (RESNET20, MOBILENET, RESNET18)
    for scheme in SCHEMES
]


@pytest.mark.parametrize(("network", "scheme"), CASES)
def test_filled_file_equals_a_full_export(
    network: Network, scheme: str, templates: Path, tmp_path: Path
):
    runtime = OnnxRuntime()
    template = runtime.template(network, CLASSES, templates)
    writer = template.writer(weights_file(network, 5, tmp_path), images(64, seed=1))
    artifact = tmp_path / "artifact.onnx"
    writer.write(scheme_named(scheme), artifact)
    some = images(40, seed=2)
    filled = runtime.logits(artifact, some, threads=1)

    fused = full_export.fused_network(random_model(network, 5))
    allowed, batch = 0.0, 32
    if scheme in {"fp32", "int8_dynamic"}:
        exported = full_export.export(fused, IMAGE_SIZE, tmp_path / "full.onnx")
        allowed = ROUNDING * float(np.abs(filled).max())
    else:
        stored = full_export.with_stored_weights(fused, artifact)
        exported = full_export.export(stored, IMAGE_SIZE, tmp_path / "full.onnx")
    if isinstance(scheme_named(scheme).layout, Static):
        exported = full_export.quantized_statically(
            exported,
            template.graph.skeleton.graph,
            writer.grids(Calibration()),
            artifact,
            some,
            tmp_path / "quantized.onnx",
        )
    if scheme == "int8_dynamic":
        exported = full_export.quantized_dynamically(exported, tmp_path / "quantized.onnx")
        batch = 1
    expected = full_export.run(exported, some, batch)
    assert np.abs(filled - expected).max() <= allowed
