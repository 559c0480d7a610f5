"""A study small enough to be searched again and again, and the command that searches it."""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from objectives import CostTable
from search.cli.session import open_session
from search.workers.events import Event
from search.workers.stop_signal import StopSignal
from search.workers.worker_process import work
from spaces import InputError
from studies import StudyFolder, open_storage, open_study
from studies.records import Attr, History, read_history

ROOT = Path(__file__).parents[2]
TRIALS = 4
EPOCHS = 3
"""Of a student with an adapter: two of distill and one of adapt; the teacher has two."""

STUDY = """
name = "tiny"
seed = 7
trials = 4

[data]
name = "digits"
image_size = 16
augment = false
train_limit = 200
validation_limit = 60
test_limit = 60

[teacher]
architecture = "cifar_resnet20"

[teacher.training]
epochs = 2
learning_rate = 0.01
batch_size = 32

[chain]
stages = ["distill", "adapt"]

[space.network]
architecture = "cifar_resnet20"
width = [0.5]

[space.distill]
epochs = 2
batch_size = 32
alpha = { low = 0.0, high = 1.0, step = 0.1 }
temperature = { low = 1, high = 10, step = 1 }
learning_rate = [0.005, 0.01, 0.02]

[space.adapt]
epochs = 1
batch_size = 32
rank = [2, 4]
lora_alpha = [8]
dropout = [0.0, 0.1]
targets = ["classifier", "dense"]
learning_rate = [0.001, 0.003, 0.01]

[space.quantize]
scheme = ["fp32", "fp16", "int8_weight_only", "int8_static"]

[bounds]
accuracy_of_teacher = 0.1

[costs]
processes = 1
calls = 20

[sampler]
startup = 2
"""


@dataclass(frozen=True)
class Searched:
    """The study after a command that searched it without being disturbed."""

    file: Path
    runs: Path
    output: str
    costs: Path
    """Its cost table as search.profile's bundle would have written it."""

    def prepare(self, runs: Path, *, teacher: bool) -> Path:
        """Return `runs`, made with the float graphs, and perhaps the teacher, of this search."""
        shutil.copytree(self.runs / "cache" / "templates", runs / "cache" / "templates")
        if teacher:
            key = study_in(self.runs).user_attrs["teacher"]["key"]
            entry = Path("cache", "stages", "entries", key)
            shutil.copytree(self.runs / entry, runs / entry)
        return runs


Place = Path | str
"""Where a study lies: the runs folder, or the URL of a database."""


@functools.cache
def study_file(folder: Path, space: str) -> Path:
    """Write the study with another chain and space, and return its file."""
    file = folder / "tiny.toml"
    file.write_text(STUDY[: STUDY.index("[chain]")] + space + STUDY[STUDY.index("[bounds]") :])
    return file


def study_in(runs: Path, name: str = "tiny") -> optuna.Study:
    """Open the study that lies in `runs`, once."""
    return open_study(name, open_storage(StudyFolder(runs, name).database, must_exist=True))


def trials_in(runs: Place, name: str = "tiny") -> list[FrozenTrial]:
    """Return the study's trials, none before there is a study."""
    try:
        if isinstance(runs, Path):
            return study_in(runs, name).get_trials(deepcopy=False)
        storage = open_storage(runs, must_exist=True)
        try:
            return open_study(name, storage).get_trials()
        finally:
            storage.engine.dispose()
    except InputError:
        return []


def history_in(runs: Path) -> History:
    """Return what the study's trials say."""
    storage = open_storage(StudyFolder(runs, "tiny").database, must_exist=True)
    try:
        return read_history(open_study("tiny", storage))
    finally:
        storage.engine.dispose()


def curve(trial: FrozenTrial) -> list[list[float]]:
    """Return a trial's (progress, accuracy) pairs."""
    pairs: list[list[float]] = trial.user_attrs.get(Attr.CURVE, [])
    return pairs


def sampled(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Return the sampled trials that count: not those that others went on with, nor those that
    go on with a paused student."""
    return [
        trial
        for trial in trials
        if trial.user_attrs.get(Attr.ORIGIN, "sampled") == "sampled"
        and trial.user_attrs.get(Attr.FAILURE, {}).get("kind") != "interrupted"
        and Attr.RESUMES not in trial.user_attrs
    ]


def assert_whole(runs: Place, total: int = TRIALS, name: str = "tiny") -> None:
    """Exactly the trials asked for, each ended, each point once, each death gone on with once."""
    trials = trials_in(runs, name)
    assert all(trial.state.is_finished() for trial in trials)
    assert len(sampled(trials)) == total
    points = Counter(
        (trial.user_attrs[Attr.STUDENT], trial.user_attrs[Attr.SCHEME])
        for trial in trials
        if trial.state == TrialState.COMPLETE
    )
    assert max(points.values()) == 1, points
    retried = Counter(trial.user_attrs.get(Attr.RETRY_OF) for trial in trials)
    del retried[None]
    dead = [t for t in trials if t.user_attrs.get(Attr.FAILURE, {}).get("kind") == "interrupted"]
    assert retried == Counter(trial.number for trial in dead)
    for trial in dead:
        retry = next(t for t in trials if t.user_attrs.get(Attr.RETRY_OF) == trial.number)
        assert trial.params.items() <= retry.params.items()


class Command:
    """A `python -m search.run` in a process of its own, killed in the end whatever happens."""

    def __init__(self, file: Path, runs: Path, *options: str, log: Path | None = None) -> None:
        log = log or runs.with_suffix(".out")
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "search.run", "--study", str(file)),
                    *("--runs-dir", str(runs), *options),
                ],
                cwd=ROOT,
                env=os.environ | {"PYTHONUNBUFFERED": "1", "COLUMNS": "160"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # As at a terminal: what runs the tests in the background may ignore Ctrl-C, and
                # a process inherits that.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
            )

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self._log.read_text()

    def ends(self, patience_s: float = 240) -> int:
        """Wait for it and return its exit code."""
        try:
            return self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"still running:\n{self.output}") from None

    def waits_until(self, happens: Callable[[], object], patience_s: float = 240) -> None:
        """Return as soon as `happens`; fail when the command ends before."""
        until = time.monotonic() + patience_s
        while not happens():
            if self.process.poll() is not None or time.monotonic() > until:
                self.process.kill()
                raise AssertionError(f"it never happened:\n{self.output}")
            time.sleep(0.02)

    def workers(self) -> list[int]:
        """Return the process ids of its living workers."""
        return [pid for pid in _children(self.process.pid) if _lives(pid)]

    def kill(self) -> list[int]:
        """Kill the command, and nothing but it; returns the workers it leaves."""
        left = self.workers()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        return left


def search_here(file: Path, runs: Path, *settings: str, costs: Path | None = None) -> list[Event]:
    """Search the study in this process as a worker would; return what it told."""
    session = open_session(str(file), settings, runs, None, costs, trust_modules=True)
    events: list[Event] = []
    name, allow = session.config.name, lambda _: None
    work(name, runs, None, None, 0, StopSignal(), events.append, allow)
    session.storage.engine.dispose()
    return events


def wait_for_death(pids: list[int], patience_s: float = 20) -> None:
    """Return when no process of `pids` lives; fail when one outlives the patience."""
    until = time.monotonic() + patience_s
    while any(map(_lives, pids)):
        assert time.monotonic() < until, f"{pids} outlived the command that started them"
        time.sleep(0.05)


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def write_costs(table: CostTable, path: Path) -> Path:
    """Write `table` as a profile on a device would have."""
    artifacts = [
        {
            "network": cost.network,
            "layout": cost.layout,
            "image_size": 16,
            "flops": cost.flops,
            "parameters": cost.parameters,
            "size_bytes": cost.size_bytes,
            "timings": [{"median_ms": cost.median_ms, "p95_ms": cost.p95_ms}],
        }
        for cost in table.costs
    ]
    results = {
        "format": 2,
        "runtime": table.runtime,
        "teacher": table.teacher,
        "processes": 1,
        "calls": table.calls,
        "warmup": 20,
        "threads": table.threads,
        "device": table.device,
        "artifacts": artifacts,
    }
    path.write_text(json.dumps(results))
    return path
