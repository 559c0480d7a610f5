"""A table recorded by the real chain, and real searches beside its replays."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from benchmarks.tables.recorded import load_table

pytestmark = pytest.mark.long

STUDY = """
name = "small"
seed = 3
[data]
name = "digits"
image_size = 8
validation_fraction = 0.2
train_limit = 300
views = 2
[teacher]
architecture = "cifar_resnet20"
[teacher.training]
epochs = 12
learning_rate = 0.01
batch_size = 32
[chain]
stages = ["distill", "adapt"]
[space.network]
architecture = "cifar_resnet20"
width = [0.25, 0.5]
[space.distill]
epochs = 3
batch_size = 32
learning_rate = [0.01]
alpha = [0.0, 0.9]
temperature = [4]
[space.adapt]
epochs = 2
batch_size = 32
learning_rate = [0.003]
rank = [0, 4]
lora_alpha = [8]
dropout = [0.0]
targets = ["dense"]
[space.quantize]
scheme = ["fp32", "int8_static"]
[costs]
processes = 1
calls = 20
[bounds]
accuracy_of_teacher = 0.2
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "small.toml").write_text(STUDY)
    return folder


def command(module, *arguments):
    return [sys.executable, "-m", module, *map(str, arguments)]


def recording(folder):
    options = ("--work-dir", folder / "work", "--repeats", 1)
    return command("benchmarks.tables.record", folder / "small.toml", *options)


def journal(folder):
    paths = folder.glob("work/small/journal-*.jsonl")
    return [line for path in paths for line in path.read_text().splitlines(keepends=True)]


@pytest.fixture(scope="module")
def table(folder):
    """Killed once while it records, and run again."""
    first = subprocess.Popen(recording(folder), start_new_session=True)
    deadline = time.monotonic() + 300
    while len(journal(folder)) < 3 and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    kept = [line for line in journal(folder) if line.endswith("\n")]
    subprocess.run(recording(folder), check=True, timeout=300)
    assert set(kept) <= set(journal(folder))
    return load_table(folder / "small.parquet")


def test_a_table_killed_and_resumed_has_every_student_once(folder, table):
    assert len(table.students) == 8
    assert [len(repeats) for repeats in table.repeats.values()] == [2, 2]
    configs = [json.dumps(json.loads(line)["config"]) for line in journal(folder)]
    assert len(configs) == len(set(configs)) == 12
    assert table.meta["commit"]
    assert table.config.data.root == type(table.config.data)("digits").root
    for student in table.students.values():
        assert [len(stage.accuracies) for stage in student.stages] in ([3], [3, 2])
        assert all(len(stage.seconds) == len(stage.accuracies) for stage in student.stages)
        assert min(student.stages[0].seconds) > 0
        assert set(student.validation) == set(student.test) == {"fp32", "int8_static"}


@pytest.mark.usefixtures("table")
def test_real_searches_stand_beside_their_replays(folder):
    arguments = (folder / "small.parquet", "--work-dir", folder / "real", "--seeds", 1)
    again = command(
        "benchmarks.replay.end_to_end", *arguments, "--budget-s", 12, "--strategies", "ours", "TPE"
    )
    first = subprocess.run(again, check=True, timeout=400, capture_output=True, text=True)
    rows = [line.split(" | ") for line in first.stdout.splitlines() if line.startswith("| ")][2:]
    assert {row[0].strip("| ") for row in rows} == {"ours", "TPE"}
    for row in rows:
        assert int(row[-1].strip(" |")) > 0  # Epochs were trained.
    second = subprocess.run(again, check=True, timeout=200, capture_output=True, text=True)
    assert second.stdout.splitlines()[-4:] == first.stdout.splitlines()[-4:]
