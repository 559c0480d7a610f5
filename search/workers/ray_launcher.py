"""Starts the workers of a study on the machines of a Ray cluster.

Ray places each worker where its CPUs and GPUs are free, and elsewhere once that place is gone. It
schedules no trials: the workers claim them from the storage, as they do on one machine.
"""

import signal
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.workers.events import Preparing
from search.workers.launch import Mailbox
from search.workers.worker_child import WorkerChild, WorkerEvent, WorkerExit
from spaces import InputError

EXIT_UNPLACED = 1
"""Code of a worker that could not be begun at all."""
_TURN_S = 1.0
"""How long a call waits for a worker's next word."""
_PATIENCE_S = 10.0
"""After so long without a place the person hears what is waited for."""


@dataclass(frozen=True)
class Needs:
    """What a worker takes of a machine."""

    cpus: float = 1
    gpus: float = 0

    def __str__(self) -> str:
        gpus = f" and {self.gpus:g} GPU" if self.gpus else ""
        return f"{self.cpus:g} CPU{gpus}"


class RayLauncher:
    """Workers on the machines of a Ray cluster."""

    def __init__(
        self,
        arguments: Sequence[str],
        workers: int,
        log_dir: Path,
        needs: Needs,
        address: str,
        *,
        first_on: str = "",
    ) -> None:
        """Begin them.

        address: of a cluster, `auto` for the one this machine belongs to, "" for a new one of this
        machine alone. first_on: name of the machine on which worker 0 begins. Raises InputError
        where Ray is missing, no cluster is there or no such machine is in it.
        """
        self._ray = join_cluster(address)
        self._mailbox = Mailbox()
        self._arguments, self._log_dir, self._needs = arguments, log_dir, needs
        self._places: dict[int, Any] = {}
        self._placed: set[Any] = set()
        self._begin(0, _pinned(self._ray, first_on) if first_on else "SPREAD")
        for index in range(1, workers):
            self.start(index)

    def start(self, index: int) -> None:
        """As Launcher has it."""
        self._begin(index, "SPREAD")

    def _begin(self, index: int, where: Any) -> None:
        log = self._log_dir / f"worker-{index}.log"
        self._mailbox.expect()
        place = (
            self._ray.remote(Place)
            .options(
                num_cpus=self._needs.cpus,
                num_gpus=self._needs.gpus,
                scheduling_strategy=where,
                max_concurrency=3,  # To be asked to stop while somebody listens.
                max_restarts=0,  # Who takes whose place is the command's to say, as everywhere.
            )
            .remote(list(self._arguments), index, log)
        )
        self._places[index] = place
        threading.Thread(target=self._listen, args=(index, place, log), daemon=True).start()

    def _listen(self, index: int, place: Any, log: Path) -> None:
        try:
            self._wait_for(index, place)
            while True:
                for item in self._ray.get(place.take.remote(_TURN_S)):
                    self._mailbox.put(item)
                    if isinstance(item, WorkerExit):
                        # Its CPUs are another's from now on.
                        self._ray.kill(place)
                        return
        except Exception as error:  # noqa: BLE001 - whatever Ray raises, the place is gone
            self._mailbox.put(_lost(index, log, error))

    def _wait_for(self, index: int, place: Any) -> None:
        """Return once the worker has a place; say so where that takes long."""
        begun = place.ready.remote()
        told = False
        while not self._ray.wait([begun], timeout=_PATIENCE_S)[0]:
            if not told:
                words = f"waits for a machine of the cluster with {self._needs} free"
                self._mailbox.put(WorkerEvent(index, Preparing(words)))
                told = True
        where = self._ray.get(begun)
        self._placed.add(place)
        self._mailbox.put(WorkerEvent(index, Preparing(f"starts on {where}")))

    @property
    def running(self) -> bool:
        """As Launcher has it."""
        return self._mailbox.expects

    def take(self, patience_s: float = 1.0) -> WorkerEvent | WorkerExit | None:
        """As Launcher has it."""
        return self._mailbox.take(patience_s)

    def ask_to_stop(self) -> None:
        """As Launcher has it."""
        for place in self._places.values():
            with suppress(Exception):
                if place in self._placed:
                    place.ask_to_stop.remote()
                else:  # It may wait for a machine until tomorrow.
                    self._ray.kill(place)

    def kill(self) -> None:
        """As Launcher has it."""
        for place in self._places.values():
            with suppress(Exception):
                self._ray.kill(place)


class Place:
    """Where one worker runs: a Ray actor, whose end is the worker's."""

    def __init__(self, arguments: Sequence[str], index: int, log: Path) -> None:
        self._mailbox = Mailbox()
        self._child = WorkerChild(arguments, index, log, self._mailbox.put)

    def ready(self) -> str:
        """Return the name of the machine."""
        return socket.gethostname()

    def take(self, patience_s: float) -> list[WorkerEvent | WorkerExit]:
        """Return what the worker has said meanwhile, after `patience_s` at the latest."""
        first = self._mailbox.take(patience_s)
        said = []
        while first is not None:
            said.append(first)
            first = self._mailbox.take(0)
        return said

    def ask_to_stop(self) -> None:
        """Ask the worker to stop after its current epoch."""
        self._child.ask_to_stop()


def _pinned(ray: Any, machine: str) -> Any:
    """Return what places a worker on that machine alone; raises InputError with those there are."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = {one["NodeManagerHostname"]: one["NodeID"] for one in ray.nodes() if one["Alive"]}
    if machine not in there:
        raise InputError(
            f"costs.machine names {machine}, which is not in the cluster: there are "
            f"{', '.join(sorted(there))}"
        )
    return NodeAffinitySchedulingStrategy(there[machine], soft=False)


def _lost(index: int, log: Path, error: Exception) -> WorkerExit:
    """Return the exit of a worker that went with its place, or that its place could not begin."""
    words = [line.strip() for line in str(error).splitlines() if line.strip()]
    if "creation task" in str(error):  # It would end so anywhere.
        return WorkerExit(index, EXIT_UNPLACED, log, words[-1])
    reason = f"{type(error).__name__}: {words[0] if words else ''}"
    return WorkerExit(index, -signal.SIGKILL, log, reason, is_place_gone=True)


def join_cluster(address: str) -> Any:
    """Connect to a Ray cluster, or to the one that this process is connected to already.

    address: as of RayLauncher. Raises InputError where Ray is missing or no cluster is there.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise InputError("--launcher ray needs Ray: pip install 'distilfront[ray]'") from error
    if ray.is_initialized():
        return ray
    alone = {} if address else {"include_dashboard": False}
    try:
        ray.init(address=address or "local", logging_level="ERROR", log_to_driver=False, **alone)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        words = lines[0].partition(". ")[0]
        raise InputError(
            f"no Ray cluster at {address!r} ({words}): start one with `ray start "
            "--head`, or leave --address out for one of this machine alone"
        ) from error
    return ray
