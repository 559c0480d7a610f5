"""Workers on the machines of a Ray cluster: real Ray, real worker processes."""

import os
import signal
import time
from pathlib import Path

import pytest
from optuna.trial import TrialState

from search.workers import Needs, Preparing, RayLauncher, WorkerEvent, WorkerExit, join_cluster
from spaces import InputError
from studies.records import Attr
from tests.search.searching import Command, assert_whole, trials_in

pytest.importorskip("ray", reason="Ray is not installed: pip install 'distilfront[ray]'")
pytestmark = [
    pytest.mark.long,
    # Ray gives its processes what the others leave of a CPU.
    pytest.mark.timeout(1800),
    # It leaves files and sockets to its own processes.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def machines():
    """Two machines with a CPU each, as far as Ray can tell."""
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def begun(tmp_path, workers, needs=Needs(), **more):  # noqa: B008
    """Workers of a study that nobody has made."""
    arguments = ["--study", "nothing", "--runs-dir", str(tmp_path)]
    return RayLauncher(arguments, workers, tmp_path / "logs", needs, "auto", **more)


def said(launcher, patience_s=240):
    """Everything until no worker is left."""
    items, until = [], time.monotonic() + patience_s
    while launcher.running:
        item = launcher.take(0.2)
        items += [] if item is None else [item]
        assert time.monotonic() < until, items
    return items


@pytest.mark.usefixtures("machines")
def test_what_a_worker_says_and_how_it_ends_arrive(tmp_path: Path) -> None:
    items = said(begun(tmp_path, 2))
    exits = {item.worker: item for item in items if isinstance(item, WorkerExit)}
    assert {index: item.code for index, item in exits.items()} == {0: 2, 1: 2}
    assert "nothing" in exits[0].log.read_text("utf-8")
    starts = [item.event.words for item in items if isinstance(item, WorkerEvent)]
    assert len(starts) == 2
    assert all(words.startswith("starts on ") for words in starts)


@pytest.mark.usefixtures("machines")
def test_a_worker_without_room_says_so_and_ends_when_asked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.workers.ray_launcher._PATIENCE_S", 0.5)
    launcher = begun(tmp_path, 1, Needs(cpus=64))
    first = None
    while first is None:
        first = launcher.take(0.2)
    waiting = "waits for a machine of the cluster with 64 CPU free"
    assert first == WorkerEvent(0, Preparing(waiting))
    launcher.ask_to_stop()
    (ended,) = said(launcher)
    assert isinstance(ended, WorkerExit)
    assert ended.code == -signal.SIGKILL


@pytest.mark.usefixtures("machines")
def test_the_first_worker_begins_where_it_is_told_to(tmp_path: Path) -> None:
    here = os.uname().nodename
    items = said(begun(tmp_path, 1, first_on=here))
    assert WorkerEvent(0, Preparing(f"starts on {here}")) in items
    with pytest.raises(
        InputError, match=f"elsewhere, which is not in the cluster: there are {here}"
    ):
        begun(tmp_path, 1, first_on="elsewhere")


def test_a_cluster_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with pytest.raises(InputError, match="no Ray cluster at 'nonsense'"):
        join_cluster("nonsense")


def test_a_machine_that_dies_gives_its_trials_back_and_its_workers_start_elsewhere(
    machines, place: Path, postgres_url: str
) -> None:
    lost = machines.add_node(num_cpus=1)
    options = ("--storage", postgres_url, "--launcher", "ray", "--address", machines.address)
    command = Command(place / "tiny.toml", place / "runs", *options, "--workers=3", "--trials=8")

    def running() -> int:
        return sum(trial.state == TrialState.RUNNING for trial in trials_in(postgres_url))

    command.waits_until(lambda: running() >= 3, patience_s=900)
    machines.remove_node(lost, allow_graceful=False)
    machines.add_node(num_cpus=1)
    assert command.ends(patience_s=900) == 0, command.output
    assert "is gone with its machine; it starts elsewhere" in command.output
    assert_whole(postgres_url, 8)
    died = [trial for trial in trials_in(postgres_url) if Attr.RETRY_OF in trial.user_attrs]
    assert len(died) == 1


def test_ctrl_c_ends_all_workers_and_the_same_command_goes_on(
    machines, place: Path, postgres_url: str
) -> None:
    options = ("--storage", postgres_url, "--launcher", "ray", "--address", machines.address)
    options = (*options, "--workers=2", "--trials=6")
    command = Command(place / "tiny.toml", place / "runs", *options)
    command.waits_until(lambda: " begins: " in command.output, patience_s=600)
    command.process.send_signal(signal.SIGINT)
    assert command.ends(patience_s=300) == 130, command.output
    assert not any(trial.state == TrialState.RUNNING for trial in trials_in(postgres_url))
    again = Command(place / "tiny.toml", place / "runs", *options, log=place / "again.out")
    assert again.ends(patience_s=600) == 0, again.output
    assert_whole(postgres_url, 6)
