"""Real searches, every student trained for real, to see whether the replay ranks them rightly.

    python -m benchmarks.replay.end_to_end benchmarks/tables/cifar10_resnet.parquet \
        --work-dir WORK --data-root CIFAR [--strategies ours TPE ...] [--seeds 3] \
        [--budget-s 600] [--processes 2]

The study is the table's, with its teacher, costs and accuracy floor, but every seed trains students
of its own seed, in a stage cache of its own, and keeps its study in SQLite. Seconds are of the CPU:
training, scoring and deciding. A search ends when it has spent its budget. Beside each strategy
stands what its replays on the table come to at the same compute. Runs that are there already are
skipped, so it can be interrupted and run again.
"""

import argparse
import json
import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.replay.freeze import code_commit
from benchmarks.replay.real_search import MOST_TRIALS, Search, Setting, search, warm_up
from benchmarks.replay.simulation import Strategy, simulate
from benchmarks.replay.strategies import strategies
from benchmarks.script import run_script
from benchmarks.tables import Table, load_table
from objectives import EpochReport, Verdict, Workbench
from spaces import InputError, UnknownNameError

DEFAULT = ("ours", "TPE", "TPE + our cache and offers")
FIRST_SEED = 1
"""Of the students. The table's own is another, so that no run repeats what was recorded."""
PARTS = (0.25, 0.5, 1.0)
"""Of the budget: where the hypervolume is stated."""
REPLAYS = 20


def main() -> None:
    """Make the runs that are missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path, help="a file that benchmarks.tables.record made")
    parser.add_argument("--work-dir", type=Path, required=True, help="caches, studies and results")
    parser.add_argument("--data-root", help="where data that are not embedded lie")
    parser.add_argument("--strategies", nargs="+", default=DEFAULT, metavar="NAME")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget-s", type=float, default=600.0, help="CPU seconds a search")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    known = strategies()
    for name in options.strategies:
        if name not in known:
            raise UnknownNameError("strategy", name, tuple(known))
    table = load_table(options.table)
    root = options.data_root or table.config.data.root
    setting = Setting(options.table, root, options.work_dir, options.budget_s, code_commit())
    _prepare(table, setting)
    jobs = [
        (name, seed)
        for seed in range(FIRST_SEED, FIRST_SEED + options.seeds)
        for name in options.strategies
    ]
    missing = [job for job in jobs if not setting.result(*job).exists()]
    os.environ["OMP_NUM_THREADS"] = "1"  # Before the processes begin.
    with multiprocessing.get_context("spawn").Pool(options.processes, maxtasksperchild=1) as pool:
        pool.starmap(search, [(setting, *job) for job in missing], chunksize=1)
    searches = [Search(**json.loads(setting.result(*job).read_text("utf-8"))) for job in jobs]
    print(report(table, searches, setting.budget_s))


def _prepare(table: Table, setting: Setting) -> None:
    """Have the teacher, its logits and the float graphs in a cache that every run begins with.

    Raises InputError when this machine's teacher is not the table's: nothing could be compared.
    """
    with Workbench(setting.setup(table), setting.prepared) as bench:
        teacher = bench.teacher(_say_epoch)
        warm_up(bench, table)
    if abs(teacher.accuracy - float(table.teacher["accuracy"])) > 1e-9:
        raise InputError(
            f"the teacher trained here has accuracy {teacher.accuracy:.4f}, that of {table.name} "
            f"{table.teacher['accuracy']:.4f}: they are not one study; record the table here"
        )


def _say_epoch(report: EpochReport) -> Verdict:
    if not report.reused:
        print(f"teacher: epoch {report.epoch}/{report.epochs}, {report.accuracy:.3f}", flush=True)
    return Verdict.GO_ON


def _replayed(table: Table, strategy: Strategy, budget_s: float) -> list[list[float]]:
    """Return [replays][PARTS] the shares that replays on the table come to."""
    shares = []
    for seed in range(REPLAYS):
        trace = simulate(table, strategy, seed=seed, trials=MOST_TRIALS, budget_s=budget_s)
        growth = trace.growth(table)
        shares.append(
            [
                max((s.hypervolume for s in growth if s.compute_s <= part * budget_s), default=0.0)
                / table.true_hypervolume
                for part in PARTS
            ]
        )
    return shares


def report(table: Table, searches: Sequence[Search], budget_s: float) -> str:
    """Return the table of strategies, best first, with their replays."""
    times = [part * budget_s for part in PARTS]
    heads = " | ".join(f"{seconds:.0f} s | replayed" for seconds in times)
    lines = [
        f"| strategy | seeds | {heads} | students begun | epochs trained |",
        "| --- |" + " --- |" * (2 * len(times) + 3),
    ]
    named: dict[str, list[Search]] = {}
    for one in searches:
        named.setdefault(one.strategy, []).append(one)
    ranked = sorted(named.items(), key=lambda item: -median(one.at(budget_s) for one in item[1]))
    for name, runs in ranked:
        replays = _replayed(table, strategies()[name].strategy, budget_s)
        cells = []
        for index, seconds in enumerate(times):
            real = [run.at(seconds) for run in runs]
            cells += [_spread(real), _spread([shares[index] for shares in replays])]
        trials = median(run.trials for run in runs)
        epochs = median(run.epochs for run in runs)
        lines.append(
            f"| {name} | {len(runs)} | {' | '.join(cells)} | {trials:.0f} | {epochs:.0f} |"
        )
    return "\n".join(lines)


def _spread(shares: Sequence[float]) -> str:
    return f"{median(shares):.1%} ({min(shares):.1%} to {max(shares):.1%})"


if __name__ == "__main__":
    run_script(main)
