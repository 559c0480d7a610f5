"""Many workers search one study on a real server: what is done twice, and what each step costs.

    python -m benchmarks.machines.study benchmarks/tables/cifar10_deeper.parquet \
        --storage postgresql://USER@HOST/DB [--workers 1 2 4 8 16 32] [--trials-each 6] \
        [--machines 4] [--stage-s 0.1] [--store URL] [--kill-every 3] [--cut-database 10] \
        [--clock-off 3600]

Training is a sleep of `--stage-s` a stage; processes, database, claims, sampler and stage cache are
real. `--machines`: workers share a local stage cache by as many folders. `--kill-every`: seconds
after which a worker, and every third time all of one machine, are killed with SIGKILL and started
anew. `--cut-database`: seconds without a database, once, in the middle. `--clock-off`: by so many
seconds the clock of the last machine is ahead. Prints a row for each number of workers.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

from benchmarks.machines.broken_line import BrokenLine
from benchmarks.replay import furnish
from benchmarks.script import run_script
from benchmarks.tables import Table, load_table
from studies import create_or_resume, open_storage
from studies.records import Attr

_LOOK_S = 0.1
_COLUMNS = (
    "workers",
    "trials",
    "sampled once",
    "stages",
    "built twice",
    "epochs again",
    "connections",
    "beside a trial's stages, ms: median",
    "90 %",
    "useful",
    "killed",
    "s",
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("--storage", required=True)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--trials-each", type=int, default=6, help="by worker")
    parser.add_argument("--machines", type=int, default=4)
    parser.add_argument("--stage-s", type=float, default=0.1)
    parser.add_argument("--store")
    parser.add_argument("--kill-every", type=float, default=0.0)
    parser.add_argument("--cut-database", type=float, default=0.0)
    parser.add_argument("--clock-off", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0, help="of who is killed")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print("|", " | ".join(_COLUMNS), "|")
    print("|" + " --- |" * len(_COLUMNS), flush=True)
    for workers in options.workers:
        with tempfile.TemporaryDirectory() as folder:
            run = Run(options, workers, Path(folder))
            print("|", " | ".join(run.row()), "|", flush=True)
            for words in sorted(run.told):
                print(f"- {words}", flush=True)


@dataclass
class Run:
    """One study with so many workers."""

    options: Any
    workers: int
    folder: Path
    told: set[str] = field(default_factory=set)
    killed: int = 0
    connections: int = 0
    _running: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def row(self) -> list[str]:
        """Run it to its end and return what came of it."""
        options, table = self.options, load_table(self.options.table)
        trials = options.trials_each * self.workers
        storage = open_storage(options.storage)
        name = f"machines_{self.workers}_{time.time_ns()}"
        study = _made(table, storage, name)
        line = BrokenLine(sqlalchemy.make_url(options.storage))
        ledger = self.folder / "ledger"
        begun = time.monotonic()
        for index in range(self.workers):
            self._start(index, name, line.url, ledger, trials)
        watchers = [threading.Thread(target=self._count, args=(storage.engine,), daemon=True)]
        if options.kill_every:
            again = (name, line.url, ledger, trials)
            watchers.append(threading.Thread(target=self._kill, args=again, daemon=True))
        for watcher in watchers:
            watcher.start()
        if options.cut_database:
            time.sleep(options.stage_s * trials / self.workers)
            line.cut(options.cut_database)
        while any(process.poll() is None for process in [*self._running.values()]):
            time.sleep(_LOOK_S)
        took_s = time.monotonic() - begun
        self._over.set()
        for watcher in watchers:
            watcher.join()
        line.close()
        found = study.get_trials(deepcopy=False)
        optuna.delete_study(study_name=name, storage=storage)
        storage.engine.dispose()
        return self._summary(found, ledger.read_text("utf-8").splitlines(), took_s)

    def _start(self, index: int, name: str, storage: str, ledger: Path, trials: int) -> None:
        options, machine = self.options, index % self.options.machines
        more = [] if options.store is None else ["--store", f"{options.store}/{name}"]
        if machine == options.machines - 1 and options.clock_off:
            more += ["--clock-off", str(options.clock_off)]
        log = (self.folder / f"worker-{index}.log").open("ab")
        self._running[index] = subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.machines.worker", str(options.table)),
                *("--storage", storage, "--name", name, "--trials", str(trials)),
                *("--folder", str(self.folder / f"machine-{machine}"), "--ledger", str(ledger)),
                *("--stage-s", str(options.stage_s), *more),
            ],
            stderr=log,
        )

    def _count(self, engine: sqlalchemy.Engine) -> None:
        """Note the most connections of workers that there were at once."""
        query = sqlalchemy.text(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        while not self._over.wait(_LOOK_S):
            with engine.connect() as connection:
                self.connections = max(
                    self.connections, int(connection.execute(query).scalar_one())
                )

    def _kill(self, *again: Any) -> None:
        chance, turn = random.Random(self.options.seed), 0
        while not self._over.wait(self.options.kill_every):
            turn += 1
            alive = [index for index, one in self._running.items() if one.poll() is None]
            if not alive:
                continue
            chosen = [chance.choice(alive)]
            if turn % 3 == 0:  # All of its machine.
                chosen = [i for i in alive if (i - chosen[0]) % self.options.machines == 0]
            for index in chosen:
                self._running[index].kill()
                self._running[index].wait()
            self.killed += len(chosen)
            for index in chosen:
                self._start(index, *again)

    def _summary(self, trials: list[FrozenTrial], ledger: list[str], took_s: float) -> list[str]:
        failed = [i for i, process in self._running.items() if process.returncode]
        if failed:
            log = self.folder / f"worker-{failed[0]}.log"
            self.told.add(f"{len(failed)} workers failed: {log.read_text().splitlines()[-1]}")
        words = [line.split(" ", 1) for line in ledger]
        self.told |= {said for kind, said in words if kind == "told"}
        beside = 1e3 * np.array([float(said) for kind, said in words if kind == "beside"])
        built = Counter(said for kind, said in words if kind == "built")
        epochs = [said.split() for kind, said in words if kind == "epoch"]
        slept_s = sum(float(seconds) for *_, seconds in epochs)
        twice = sum(Counter((key, epoch) for key, epoch, _ in epochs).values()) - len(
            {(key, epoch) for key, epoch, _ in epochs}
        )
        sampled = [one for one in trials if _counts(one)]
        points = Counter(
            (one.user_attrs[Attr.STUDENT], one.user_attrs[Attr.SCHEME])
            for one in trials
            if one.state == TrialState.COMPLETE
        )
        once = max(points.values(), default=0) == 1
        return [
            str(self.workers),
            str(len(sampled)),
            "yes" if once and all(one.state.is_finished() for one in trials) else "NO",
            str(len(built)),
            str(sum(built.values()) - len(built)),
            str(twice),
            str(self.connections),
            f"{np.median(beside):.0f}" if beside.size else "",
            f"{np.quantile(beside, 0.9):.0f}" if beside.size else "",
            f"{slept_s / (self.workers * took_s):.0%}",
            str(self.killed),
            f"{took_s:.0f}",
        ]


def _made(table: Table, storage: Any, name: str) -> optuna.Study:
    study = create_or_resume(table.config.model_copy(update={"name": name}), storage)
    furnish(study, table, baselines=True)
    return study


def _counts(trial: FrozenTrial) -> bool:
    """Say whether a trial is a sampled one that nobody went on with."""
    return (
        trial.user_attrs.get(Attr.ORIGIN, "sampled") == "sampled"
        and trial.user_attrs.get(Attr.FAILURE, {}).get("kind") != "interrupted"
        and Attr.RESUMES not in trial.user_attrs
    )


if __name__ == "__main__":
    run_script(main)
