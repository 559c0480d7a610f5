"""One real search: the program's worker trains every student, against a budget of CPU seconds.

The study is a recorded table's, with its teacher, costs and accuracy floor, but its students have a
seed of their own, and it has a stage cache of its own and a study in SQLite.
"""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import optuna

from benchmarks.replay.simulated_study import NoPresenter, furnish
from benchmarks.replay.simulation import Strategy, no_offers
from benchmarks.replay.strategies import strategies
from benchmarks.replay.trace import FoundPoint, Spent, Trace
from benchmarks.tables import Table, load_table, problem_of
from objectives import Verdict, Workbench
from objectives.chain import StageCache
from search.strategy import offers
from search.workers import (
    Bench,
    EpochEnded,
    Event,
    PointAdded,
    StopSignal,
    TrialBegan,
    Worker,
    open_claims,
)
from spaces import StudySetup
from studies import create_or_resume, open_storage, parse_stored
from studies.records import HistoryReader

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
    """What all searches share."""

    table: Path
    data_root: str
    work: Path
    budget_s: float
    commit: str

    def setup(self, table: Table) -> StudySetup:
        """Return what the table's students share, with the data where they lie here."""
        setup = table.config.setup()
        return replace(setup, data=replace(setup.data, root=self.data_root))

    @property
    def prepared(self) -> Path:
        """The stage cache that every search begins with."""
        return self.work / "prepared"

    def result(self, strategy: str, seed: int) -> Path:
        """Return where a search says what came of it."""
        name = "".join(c if c.isalnum() else "_" for c in strategy)
        return self.work / f"{name}-{seed}-{self.budget_s:g}s.json"


def warm_up(bench: Workbench, table: Table) -> None:
    """Have ready what a study prepares before its first trial; none of it belongs to a strategy."""
    space = table.config.search_space()
    bench.teacher_log_probabilities("validation")
    for network in space.networks:
        bench.template(network)
    taught = next(student for student in space.students() if student.needs_teacher)
    # Too short to be anybody's: reads the images, and asks the teacher about every view of them.
    short = replace(taught.stages[0], epochs=1)
    bench.train_student(replace(taught, stages=(short,)), lambda _: Verdict.GO_ON)


def search(setting: Setting, strategy: str, seed: int) -> None:
    """Run one search from its beginning to its budget, and write what came of it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    result = setting.result(strategy, seed)
    folder = result.with_suffix("")
    shutil.rmtree(folder, ignore_errors=True)  # Of a run that was cut off.
    shutil.copytree(setting.prepared, folder / "cache")
    table = load_table(setting.table)
    seeded = with_seed(table, seed)
    with Workbench(setting.setup(table), folder / "cache") as workbench:
        warm_up(workbench, seeded)
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


def with_seed(table: Table, seed: int) -> Table:
    """Return the table's study with students of another seed; teacher, splits and costs stay."""
    # A copy of the config would remember the space of the table's own seed.
    config = parse_stored(table.config.to_dict() | {"seed": seed}, table.name)
    return replace(table, config=config)


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
            problem=problem_of(table),
            pruner=parts.pruner,
            presenter=NoPresenter(),
            offers=offers if self._strategy.offers else no_offers,
        )
        claims = open_claims(study, storage, reader, parts.scheduler, parts.enough)
        self._begun_s = time.process_time()
        stop_signal = CpuStopSignal(self._begun_s + budget_s)
        Worker(bench, claims, stop_signal, self._take).run(MOST_TRIALS)
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
