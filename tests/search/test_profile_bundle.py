"""From a bundle timed on "another device" to a study that is searched for it."""

import json
import subprocess
import sys

import pytest

from search.cli.session import open_existing
from studies.records import StudyAttr
from tests.search.commands_run import run_command, run_here

ONLY_NUMPY_AND_ONNXRUNTIME = """\
import runpy, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in {"torch", "optuna", "onnx", "pydantic", "rich", "scipy", "spaces", "objectives"}:
            raise ModuleNotFoundError(f"this device has no {name}")
sys.meta_path.insert(0, Absent())
sys.argv = ["profile.py"]
runpy.run_path("profile.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def bundle(searched, tmp_path_factory):
    folder = tmp_path_factory.mktemp("profiled") / "bundle"
    ended = run_command(
        *("profile", "--study", searched.file, "--out", folder),
        *("--runs-dir", searched.runs),
        cwd=folder.parent,
    )
    assert ended.returncode == 0, ended.stderr
    assert f"8 artifacts → {folder}" in ended.stdout
    return folder


@pytest.fixture(scope="module")
def costs(bundle):
    """costs.json, written by a Python that sees NumPy and onnxruntime and nothing of ours."""
    ended = subprocess.run(
        [sys.executable, "-I", "-c", ONLY_NUMPY_AND_ONNXRUNTIME],
        cwd=bundle,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "100 %" in ended.stdout or "costs.json" in ended.stdout
    path = bundle / "costs.json"
    measured = json.loads(path.read_text())
    measured["device"]["processor"] = "Cortex-A76"
    for artifact in measured["artifacts"]:  # And it was busy.
        for timing in artifact["timings"]:
            timing["p95_ms"] = 13 * timing["median_ms"]
    path.write_text(json.dumps(measured))
    return path


def test_the_bundle_says_how_it_is_used(bundle):
    readme = (bundle / "README.md").read_text()
    assert "pip install numpy onnxruntime" in readme
    assert "python profile.py" in readme
    assert "--costs costs.json" in readme
    assert len(list((bundle / "artifacts").iterdir())) == 8


def test_a_study_searched_for_a_busy_device_says_both(searched, costs, tmp_path):
    runs = searched.prepare(tmp_path / "runs", teacher=True)
    run = ("run", "--study", searched.file, "--trials", "1")
    ended = run_command(*run, "--costs", costs, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "timing" not in ended.stdout
    report = runs / "tiny" / "report"
    said = json.loads((report / "report.json").read_text())["costs"]
    assert said["imported"] is True
    assert said["device"]["processor"] == "Cortex-A76"
    page = (report / "report.html").read_text()
    assert "Cortex-A76" in page
    assert "The machine was busy while costs were measured" in page
    said = " ".join(ended.stdout.split())
    assert "Note: the machine was busy while costs were measured: one call in twenty" in said
    assert "of the teacher took 13.0 times its median or longer" in said
    session = open_existing("tiny", runs, None)
    latencies = {point.latency_ms for point in session.history().points}
    measured = session.study.user_attrs[StudyAttr.COSTS]["costs"]
    assert latencies <= {cost["latency_ms"] for cost in measured}
    session.storage.engine.dispose()

    # The same costs again are no news; others would be another study.
    assert run_here(*run, "--costs", costs, cwd=tmp_path).returncode == 0
    other = costs.with_name("other.json")
    other.write_text(costs.read_text().replace("Cortex-A76", "Cortex-A53"))
    refused = run_here(*run, "--costs", other, cwd=tmp_path)
    assert refused.returncode == 2
    assert "has begun with other costs than" in refused.stderr


def test_a_study_that_has_begun_goes_by_its_name(searched, bundle, tmp_path):
    ended = run_here(
        *("profile", "--study", "tiny", "--runs-dir", searched.runs, "--out", tmp_path / "again"),
        cwd=tmp_path,
    )
    assert ended.returncode == 0, ended.stderr
    assert "search.run --study FILE.toml --set name=ANOTHER --costs costs.json" in ended.stdout
    manifests = [(path / "manifest.json").read_text() for path in (bundle, tmp_path / "again")]
    assert manifests[0] == manifests[1]
    refused = run_here("profile", "--study", "tinny", "--runs-dir", searched.runs, cwd=tmp_path)
    assert refused.returncode == 2
    assert "unknown study 'tinny': known are kd_lora_q" in refused.stderr
    assert "tiny, a FILE.toml" in refused.stderr


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("space.network.width=[0.75]", "lack fp32 of cifar_resnet20@0.75/16px"),
        ("teacher.architecture=resnet18", "lack fp32 of resnet18@1/16px"),
    ],
)
def test_costs_of_other_networks_are_refused(searched, costs, tmp_path, setting, words):
    ended = run_here(
        *("run", "--study", searched.file, "--costs", costs, "--set", setting),
        cwd=tmp_path,
    )
    assert ended.returncode == 2
    assert words in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
