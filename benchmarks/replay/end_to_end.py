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
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

import optuna

from benchmarks.replay.freeze import code_commit
from benchmarks.replay.simulated_study import NoPresenter, furnish
from benchmarks.replay.simulation import Strategy, no_offers, simulate
from benchmarks.replay.strategies import strategies
from benchmarks.replay.trace import FoundPoint, Spent, Trace
from benchmarks.script import run_script
from benchmarks.tables import Table, load_table
from objectives import EpochReport, Verdict, Workbench
from objectives.chain import StageCache
from search.forecasts import distilled
from search.strategy import offers
from search.workers import (
    Bench,
    EpochEnded,
    Event,
    PointAdded,
    StopSignal,
    TrialBegan,
    Worker,
    open_ledger,
)
from spaces import (
    Foundation,
    InputError,
    UnknownNameError,
    architectures,
    every_student,
)
from studies import create_or_resume, open_storage
from studies.records import HistoryReader

DEFAULT = ("ours", "TPE", "TPE + our cache and offers")
FIRST_SEED = 1
"""Of the students. The table's own is another, so that no run repeats what was recorded."""
PARTS = (0.25, 0.5, 1.0)
"""Of the budget: where the hypervolume is stated."""
REPLAYS = 20
MOST_TRIALS = 600
_MOST_BYTES = 2**40


@dataclass(frozen=True)
class Search:
    """One real search and the hypervolume it had, as a share of the table's, by CPU seconds."""

    strategy: str
    seed: int
    steps: tuple[tuple[float, float], ...]
    """(seconds, share) at every step in which the hypervolume grew."""
    trials: int
    epochs: int
    """Trained, not reused."""
    points: int
    commit: str

    def at(self, seconds: float) -> float:
        """Return the share that it had by then."""
        return max((share for spent, share in self.steps if spent <= seconds), default=0.0)


@dataclass(frozen=True)
class Setting:
    """What all processes share."""

    table: Path
    data_root: str
    work: Path
    budget_s: float
    commit: str

    def foundation(self, table: Table) -> Foundation:
        """Return what the table's students share, with the data where they lie here."""
        foundation = table.config.foundation()
        return replace(foundation, data=replace(foundation.data, root=self.data_root))


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
    missing = [job for job in jobs if not _result(setting, *job).exists()]
    os.environ["OMP_NUM_THREADS"] = "1"  # Before the processes begin.
    with multiprocessing.get_context("spawn").Pool(options.processes, maxtasksperchild=1) as pool:
        pool.starmap(_search, [(setting, *job) for job in missing], chunksize=1)
    searches = [Search(**json.loads(_result(setting, *job).read_text("utf-8"))) for job in jobs]
    print(report(table, searches, setting.budget_s))


def _prepare(table: Table, setting: Setting) -> None:
    """Have the teacher, its logits and the float graphs in a cache that every run begins with.

    Raises InputError when this machine's teacher is not the table's: nothing could be compared.
    """
    with Workbench(setting.foundation(table), setting.work / "prepared") as bench:
        teacher = bench.teacher(_say_epoch)
        _warm_up(bench, table)
    if abs(teacher.accuracy - float(table.teacher["accuracy"])) > 1e-9:
        raise InputError(
            f"the teacher trained here has accuracy {teacher.accuracy:.4f}, that of {table.name} "
            f"{table.teacher['accuracy']:.4f}: they are not one study; record the table here"
        )


def _say_epoch(report: EpochReport) -> Verdict:
    if not report.reused:
        print(f"teacher: epoch {report.epoch}/{report.epochs}, {report.accuracy:.3f}", flush=True)
    return Verdict.GO_ON


def _warm_up(bench: Workbench, table: Table) -> None:
    """Have ready what a study prepares before its first trial; none of it belongs to a strategy."""
    bench.teacher_log_probabilities("validation")
    for network in architectures(table.config.search_space(), table.config.settled()):
        bench.template(network)
    taught = next(
        student
        for student in every_student(table.config.search_space(), table.config.settled())
        if student.method.alpha > 0
    )
    # Too short to be anybody's: reads the images, and asks the teacher about every view of them.
    short = replace(taught, schedule=replace(taught.schedule, epochs=1))
    bench.train_student(distilled(short), lambda _: Verdict.GO_ON)


def _result(setting: Setting, strategy: str, seed: int) -> Path:
    name = "".join(c if c.isalnum() else "_" for c in strategy)
    return setting.work / f"{name}-{seed}-{setting.budget_s:g}s.json"


def _search(setting: Setting, strategy: str, seed: int) -> None:
    """Run one search from its beginning to its budget, and write what came of it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    result = _result(setting, strategy, seed)
    folder = result.with_suffix("")
    shutil.rmtree(folder, ignore_errors=True)  # Of a run that was cut off.
    shutil.copytree(setting.work / "prepared", folder / "cache")
    table = load_table(setting.table)
    # Students of another seed; the teacher, the splits and the costs stay the table's.
    seeded = replace(table, config=table.config.model_copy(update={"seed": seed}))
    with Workbench(setting.foundation(table), folder / "cache") as workbench:
        _warm_up(workbench, seeded)
        run = _Run(seeded, strategies()[strategy].strategy, workbench, folder)
        points = run.search(seed, setting.budget_s)
    steps = [
        (step.compute_s, step.hypervolume / table.true_hypervolume)
        for step in as_trace(points, setting.budget_s, table).growth(table)
    ]
    found = Search(
        strategy, seed, tuple(steps), run.trials, run.epochs, len(points), setting.commit
    )
    aside = result.with_suffix(".new")
    aside.write_text(json.dumps(asdict(found)), encoding="utf-8")
    aside.replace(result)
    shutil.rmtree(folder / "cache")
    print(f"{strategy}, seed {seed}: {found.at(setting.budget_s):.1%}", flush=True)


class _Run:
    """One real search: the program's worker, with a clock of CPU seconds and its own budget."""

    def __init__(
        self, table: Table, strategy: Strategy, workbench: Workbench, folder: Path
    ) -> None:
        self._table = table
        self._strategy = strategy
        self._workbench = workbench
        self._folder = folder
        self._points: list[FoundPoint] = []
        self._owners: dict[int, int] = {}
        self._begun_s = 0.0
        self.trials = 0
        self.epochs = 0
        """Trained, not reused."""

    def search(self, seed: int, budget_s: float) -> list[FoundPoint]:
        """Search until the budget is spent; return the points found."""
        table = self._table
        parts = self._strategy.parts(table, seed, MOST_TRIALS)
        storage = open_storage(self._folder / "study.db")
        study = create_or_resume(table.config, storage)
        study.sampler = parts.sampler
        furnish(study, table, baselines=self._strategy.baselines)
        reader = HistoryReader(study, storage)
        bench = Bench(
            config=table.config,
            study=study,
            reader=reader,
            workbench=self._workbench,
            costs=table.costs,
            pruner=parts.pruner,
            accuracy_floor=table.reference.accuracy_floor,
            presenter=NoPresenter(),
            offers=offers if self._strategy.offers else no_offers,
        )
        claims = open_ledger(study, storage, reader, parts.scheduler)
        self._begun_s = time.process_time()
        lifeline = CpuStopSignal(self._begun_s + budget_s)
        Worker(bench, claims, lifeline, self._take).run(MOST_TRIALS)
        return self._points

    def _take(self, event: Event) -> None:
        match event:
            case TrialBegan():
                self.trials += event.goes_on_with is None
                if not self._strategy.shares:
                    self._separate(event)
            case EpochEnded():
                self.epochs += not event.reused
            case PointAdded():
                self._points.append(
                    FoundPoint(
                        time_s=time.process_time() - self._begun_s,
                        trial=event.trial,
                        student=str(event.trial),
                        scheme=event.scheme,
                        origin=event.origin,
                        accuracy=event.accuracy,
                        size_bytes=event.size_bytes,
                        latency_ms=event.latency_ms,
                    )
                )

    def _separate(self, began: TrialBegan) -> None:
        """Give the trial a stage cache of its own: as in a script that has none."""
        before = began.goes_on_with
        owner = began.trial if before is None else self._owners[before]
        self._owners[began.trial] = owner
        folder = self._folder / "cache" / f"trial-{owner}"
        # The teacher's network and logits are in memory by now.
        self._workbench.cache = StageCache(folder, _MOST_BYTES)


class CpuStopSignal(StopSignal):
    """Asks for a stop once the process has used so many CPU seconds."""

    def __init__(self, end_s: float) -> None:
        super().__init__()
        self._end_s = end_s

    @property
    def stopping(self) -> bool:
        """True once they are used."""
        return time.process_time() >= self._end_s


def as_trace(points: Sequence[FoundPoint], budget_s: float, table: Table) -> Trace:
    """Return a search that was busy from its beginning to its budget."""
    return Trace(
        table=table.name,
        strategy="",
        seed=0,
        workers=1,
        spent=(Spent(0, 0.0, budget_s * 2, "distill", ""),),  # The last epoch may end late.
        points=tuple(points),
        endings=(),
        waited_s=(0.0,),
        end_s=budget_s,
        decisions={},
        wall_s=0.0,
    )


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
    for search in searches:
        named.setdefault(search.strategy, []).append(search)
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
