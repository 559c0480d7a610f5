"""A real process, really killed in the middle of every stage, and what the rerun makes of it."""

import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
from pathlib import Path
from objectives import Verdict
from objectives.chain.workbench import Workbench
from spaces import *

setup = StudySetup(
    DataConfig("digits", image_size=16, train_limit=96, validation_limit=40, test_limit=20),
    TeacherConfig(
        Network("cifar_resnet20", 0.5, image_size=16),
        TrainTeacher(Schedule(4, 0.01, batch_size=32)),
    ),
    seed=3,
)
student = StudentConfig(
    Network("mobilenet_v2", 0.25, image_size=16),
    (
        Distill(4, 0.01, batch_size=32, method=Logit(0.5, 4)),
        Adapt(
            4, 0.01, batch_size=32, optimizer="sgd", rank=2, lora_alpha=4, dropout=0.2,
            targets="classifier+pointwise", layout=sys.argv[2],
        ),
    ),
    seed=3,
)

def say(report):
    print(report.stage, report.epoch, report.accuracy, report.reused, flush=True)
    return Verdict.GO_ON

with Workbench(setup, Path(sys.argv[1])) as bench:
    teacher = bench.teacher(say)
    trained = bench.train_student(student, say)
    adapter = trained.leaves["adapter"] / "adapter_model.safetensors"
    for path in (teacher.weights, trained.weights, adapter):
        print("file", path)
"""


def _run(cache, layout, kill_at=None):
    """Run the chain in a process of its own; SIGKILL it when it reports `kill_at`."""
    reports, files = [], []
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SCRIPT, str(cache), layout],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stdout:
            words = line.split()
            if words[0] == "file":
                files.append(words[1])
                continue
            reports.append((words[0], int(words[1]), float(words[2]), words[3] == "True"))
            if reports[-1][:2] == kill_at and not reports[-1][3]:
                process.send_signal(signal.SIGKILL)  # the next epoch has begun by now
    assert process.returncode == (-signal.SIGKILL if kill_at else 0)
    return reports, [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in files]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.long
@pytest.mark.parametrize("layout", ["float", "w4a8", "w2"])
def test_a_killed_chain_goes_on_from_its_last_epoch_to_the_same_bits(tmp_path, layout):
    whole, expected = _run(tmp_path / "whole", layout)
    assert [report[:2] for report in whole] == [
        (stage, epoch) for stage in ("teacher", "distill", "adapt") for epoch in (1, 2, 3, 4)
    ]
    assert not any(reused for *_, reused in whole)
    cut, done = tmp_path / "cut", 0
    for killed_in in ("teacher", "distill", "adapt"):
        reports, _ = _run(cut, layout, kill_at=(killed_in, 2))
        assert [report[:3] for report in reports] == [report[:3] for report in whole][
            : len(reports)
        ]
        # Everything up to the last finished epoch was reused, nothing later.
        assert [reused for *_, reused in reports] == [True] * done + [False] * (len(reports) - done)
        done = len(reports)
    assert 10 <= done < 12
    resumed, bits = _run(cut, layout)
    assert [report[:3] for report in resumed] == [report[:3] for report in whole]
    assert [reused for *_, reused in resumed] == [True] * done + [False] * (12 - done)
    assert bits == expected
