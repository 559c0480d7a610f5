"""One worker of `benchmarks.machines.study`: real claims, sampler, cache and database.

python -m benchmarks.machines.worker TABLE --storage URL --name NAME --folder NODE
    --ledger FILE [--trials 60] [--stage-s 0.1] [--store URL] [--clock-off 3600]
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna

from benchmarks.machines.chain import Ledger, SleepingWorkbench
from benchmarks.replay import NoPresenter
from benchmarks.script import run_script
from benchmarks.tables import load_table, problem_of
from objectives import StageCache
from search.strategy import parts_named
from search.workers import Bench, StopSignal, Worker, open_claims, shared_stages
from studies import open_storage, open_study
from studies.records import HistoryReader

_CACHE_BYTES = 10**9


def main() -> None:
    """Run trials until there are no more."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--storage", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--folder", type=Path, required=True, help="of this machine's stage cache")
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--stage-s", type=float, default=0.1)
    parser.add_argument("--store", help="URL of the shared stage cache")
    parser.add_argument("--clock-off", type=float, default=0.0, help="seconds this clock is ahead")
    options = parser.parse_args()
    if options.clock_off:
        _set_clock_off(options.clock_off)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ledger = Ledger(options.ledger)
    told: Callable[[str], object] = lambda words: ledger.write("told", words)  # noqa: E731
    table = load_table(options.table)
    storage = open_storage(options.storage, tell=told)
    study = open_study(options.name, storage)
    shared = None if options.store is None else shared_stages(options.store, storage, told)
    cache = StageCache(options.folder, _CACHE_BYTES, shared)
    workbench: Any = SleepingWorkbench(table, cache, options.stage_s, ledger)
    reader, problem, config = HistoryReader(study, storage), problem_of(table), table.config
    parts = parts_named(
        config.sampler.name,
        config.pruning.name,
        problem,
        trials=options.trials,
        seed=config.seed,
        startup=config.sampler.startup,
        delta=config.pruning.delta,
        audit_share=config.pruning.audit_share,
        workers=config.workers,
        reader=reader,
    )
    study.sampler = parts.sampler
    presenter: Any = NoPresenter()
    bench = Bench(config, study, reader, workbench, problem, parts.pruner, presenter)
    claims = open_claims(study, storage, reader, parts.scheduler, parts.enough)
    _time_claims(claims, workbench, ledger)
    Worker(bench, claims, StopSignal(), lambda event: None).run(options.trials)  # noqa: ARG005


def _time_claims(claims: Any, workbench: SleepingWorkbench, ledger: Ledger) -> None:
    """Note what each trial took beside its stages: from asking for it to asking for the next."""
    claim = claims.claim
    before: list[float] = []

    def timed(*arguments: Any) -> Any:
        now = time.monotonic()
        if before:
            ledger.write("beside", now - before[0] - workbench.in_chain_s)
        trial = claim(*arguments)
        before.clear()
        workbench.in_chain_s = 0.0
        if trial is not None:
            before.append(now)
        return trial

    claims.claim = timed


def _set_clock_off(seconds: float) -> None:
    right = time.time
    time.time = lambda: right() + seconds


if __name__ == "__main__":
    run_script(main)
