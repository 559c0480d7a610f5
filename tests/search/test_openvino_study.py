"""A study of OpenVINO: refused, searched, exported, and the export run as its card says."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from objectives.data import load_data
from search.cli.recipe import read_recipe
from studies.records import costs_of
from tests.search.commands_run import refused, run_here
from tests.search.searching import Searched, history_in, search_here, study_in

pytestmark = pytest.mark.skipif(
    find_spec("openvino") is None, reason="runtime openvino is an extra: distilfront[openvino]"
)


def test_a_scheme_that_it_cannot_read_is_refused_in_one_line(place: Path) -> None:
    schemes = "space.quantize.scheme=['fp32','w4a8+quantease','int2_weight_only']"
    said = refused(
        *("run", "--study", "tiny.toml", "--set", "runtime.name=openvino", "--set", schemes),
        cwd=place,
    )
    assert said == (
        "openvino cannot write int2_weight_only: quantize.scheme can have fp32, fp16, "
        "int8_weight_only, int8_static, int4_weight_only, w4a8, int8_dynamic, bf16, "
        "int4_per_tensor, int8_static_per_tensor, w4a8_per_tensor, fp32_sparse, fp16_sparse, "
        "int8_sparse, int4_sparse, int8_static_sparse, w4a8_sparse"
    )


def test_a_study_is_searched_and_its_export_runs_as_the_card_says(
    searched: Searched, tmp_path: Path
) -> None:
    runs = searched.prepare(tmp_path / "runs", teacher=True)
    search_here(searched.file, runs, "runtime.name=openvino", "trials=2", "pruning.name=none")
    history, costs = history_in(runs), costs_of(study_in(runs))
    assert not history.failed
    assert costs is not None
    assert costs.device["runtime"].startswith("openvino 20")
    point = max(history.points, key=lambda one: (one.chain is not None, one.scheme != "fp32"))
    out = tmp_path / "out"
    ended = run_here(
        *("export", "--study", "tiny", "--pick", point.number, "--pixels", "uint8", "--out", out),
        cwd=tmp_path,
    )
    assert ended.returncode == 0, ended.stderr
    accuracy = json.loads((out / "metrics.json").read_text())["validation"]["accuracy"]
    assert accuracy == pytest.approx(point.accuracy)

    card = (out / "README.md").read_text("utf-8")
    assert "`model.onnx` | what is shipped, for openvino |" in card
    (code,) = re.findall(r"```python\n(import numpy.*?)```", card, re.DOTALL)
    data = load_data(read_recipe(out / "config.toml").setup.data)
    images, labels = data.splits["validation"].images, data.labels("validation")
    for number, image in enumerate(images):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(out / f"{number}.png")
    body = code.replace('"image.png"', 'f"{number}.png"')
    program = (
        "import sys\nsys.modules['openvino_telemetry'] = None\n"
        f"for number in range({len(images)}):\n"
        + "".join(f"    {line}\n" for line in body.splitlines())
        + "assert '\"0\", \"1\"' in model.get_rt_info('framework')['classes']\n"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", program],
        cwd=out,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    right = [data.class_names[label] for label in labels]
    assert np.mean([a == b for a, b in zip(run.stdout.split(), right, strict=True)]) == accuracy
