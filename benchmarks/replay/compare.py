"""Run every strategy on every table with every seed, and keep what each run came to.

    python -m benchmarks.replay.compare --tables benchmarks/tables/*.parquet --seeds 20 \
        --processes 2 --out runs/bench [--only NAME ...] [--workers 8] \
        [--registry OPTUNAHUB_CHECKOUT]

One line of JSON a run is added to OUT/runs.jsonl, and OUT/comparison.json says what was compared.
Runs that are there already are skipped, so it can be interrupted at any time and run again.
A search ends at 99 % of the table's true hypervolume, at a budget of compute, or with its trials.
`python -m benchmarks.page.page --results OUT` makes the page.
"""

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.replay.freeze import code_commit
from benchmarks.replay.run_record import SHARES, RunRecord, record_of
from benchmarks.replay.running import Catalogue, ComparedTable, Job, Limits, Runner, StrategyEntry
from benchmarks.script import run_script
from spaces import InputError, UnknownNameError


@dataclass(frozen=True)
class Failure:
    """A run that raised."""

    job: Job
    words: str


@dataclass(frozen=True)
class Setup:
    """What every process makes its runner from."""

    tables: tuple[Path, ...]
    catalogue: Catalogue
    limits: Limits
    commit: str

    def runner(self) -> Runner:
        """Load the tables and make the strategies; raises InputError for two of one name."""
        tables = [ComparedTable.load(path) for path in self.tables]
        named = {one.table.name: one for one in tables}
        if len(named) < len(tables):
            names = ", ".join(one.table.name for one in tables)
            raise InputError(f"every table must have a name of its own, got {names}")
        return Runner(self.catalogue(), named, self.limits, self.commit)


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--seeds", type=int, default=20, help="searches per strategy and table")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these strategies alone")
    parser.add_argument("--workers", type=int, default=1, help="simulated workers")
    parser.add_argument(
        "--budget", type=float, default=3.0, help="compute, in multiples of the whole table's"
    )
    parser.add_argument("--trials", type=int, default=600, help="most sampled trials of a search")
    parser.add_argument("--registry", type=Path, help="a checkout of OptunaHub's registry")
    options = parser.parse_args()
    setup = Setup(
        tuple(options.tables),
        partial(_catalogue, options.registry),
        Limits(options.budget, options.trials),
        code_commit(),
    )
    failures = compare(
        setup,
        options.out,
        seeds=options.seeds,
        workers=options.workers,
        only=options.only,
        processes=options.processes,
        tell=partial(print, flush=True),
    )
    if failures:
        sys.exit(f"{failures} runs failed; the same command tries them again")


def compare(
    setup: Setup,
    out: Path,
    *,
    seeds: int,
    workers: int = 1,
    only: Sequence[str] | None = None,
    processes: int = 1,
    tell: Callable[[str], None],
) -> int:
    """Make the runs that `out` lacks; return how many failed.

    Raises UnknownNameError for a strategy in `only` that there is not.
    """
    runner = setup.runner()
    unknown = [name for name in only or () if name not in runner.entries]
    if unknown:
        raise UnknownNameError("strategy", unknown[0], tuple(runner.entries))
    chosen = {name: e for name, e in runner.entries.items() if not only or name in only}
    for name, entry in chosen.items():
        if entry.skipped:
            tell(f"{name} is skipped: {entry.skipped}")
    out.mkdir(parents=True, exist_ok=True)
    _describe(out / "comparison.json", runner, chosen)
    path = out / "runs.jsonl"
    _mend(path)
    there = {record.key for record in read_runs(path)}
    wanted = list(_jobs(chosen, runner.tables.values(), seeds, workers))
    jobs = [job for job in wanted if job.key not in there]
    tell(f"{len(wanted)} runs, {len(wanted) - len(jobs)} of them there already")
    failures, progress = 0, _Progress(jobs, processes)
    with path.open("a", encoding="utf-8") as file:
        for result in _results(jobs, runner, setup, processes):
            if isinstance(result, Failure):
                failures += 1
                tell(f"{result.job} failed: {result.words}")
                progress.count(result.job.strategy, 0.0)
                continue
            file.write(result.line() + "\n")
            file.flush()
            progress.count(result.strategy, result.wall_s)
            tell(f"{progress.words} {_in_words(result)}")
    return failures


def read_runs(path: Path) -> list[RunRecord]:
    """Return the runs of a file, none if there is no file; a last line cut short is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [record_of(line) for line in lines if line.endswith("\n")]


def _mend(path: Path) -> None:
    """Take out a last line that was cut short, or the next one would be written into it."""
    if path.exists():
        whole = path.read_bytes()
        with path.open("r+b") as file:
            file.truncate(whole.rfind(b"\n") + 1)


def _catalogue(registry: Path | None) -> Mapping[str, StrategyEntry]:
    from benchmarks.replay.strategies import strategies

    return strategies(registry)


def _jobs(
    entries: Mapping[str, StrategyEntry], tables: Iterable[ComparedTable], seeds: int, workers: int
) -> Iterator[Job]:
    """Yield the jobs seed by seed, so that an interrupted comparison is a smaller one."""
    tables = list(tables)
    for seed in range(seeds):
        for name, entry in entries.items():
            if entry.skipped or (entry.seeds is not None and seed >= entry.seeds):
                continue
            for one in tables:
                yield Job(name, one.table.name, one.digest, seed, workers)


def _results(
    jobs: Sequence[Job], runner: Runner, setup: Setup, processes: int
) -> Iterator[RunRecord | Failure]:
    """Yield what becomes of the jobs, in any order."""
    if processes == 1 or len(jobs) < 2:
        yield from (_attempt(runner, job) for job in jobs)
        return
    # Before the processes begin: numpy and torch read it when they are imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, initializer=_begin, initargs=(setup,)) as pool:
        yield from pool.imap_unordered(_attempt_here, jobs)


_runners: list[Runner] = []
"""In a process of the pool: the one that it works with."""


def _begin(setup: Setup) -> None:
    _runners.append(setup.runner())


def _attempt_here(job: Job) -> RunRecord | Failure:
    return _attempt(_runners[0], job)


def _attempt(runner: Runner, job: Job) -> RunRecord | Failure:
    try:
        return runner.run(job)
    except Exception as error:  # noqa: BLE001
        # One peer's fault must not end hours of others' runs.
        return Failure(job, f"{type(error).__name__}: {error}")


def _describe(path: Path, runner: Runner, entries: Mapping[str, StrategyEntry]) -> None:
    """Write what is compared; what an earlier call compared stays in the file."""
    said: dict[str, Any] = {"tables": {}, "strategies": {}}
    if path.exists():
        said = json.loads(path.read_text(encoding="utf-8"))
    said["tables"] |= {name: one.summary() for name, one in runner.tables.items()}
    said["strategies"] |= {
        name: {
            "family": entry.family,
            "words": entry.words,
            "skipped": entry.skipped,
            "trials": entry.trials,
        }
        for name, entry in entries.items()
    }
    said["limits"] = asdict(runner.limits)
    aside = path.with_suffix(".new")
    aside.write_text(json.dumps(said, indent=1), encoding="utf-8")
    aside.replace(path)


class _Progress:
    """How much is done, and how long the rest takes by what each strategy took so far."""

    def __init__(self, jobs: Sequence[Job], processes: int) -> None:
        self._left = [job.strategy for job in jobs]
        self._whole = len(jobs)
        self._processes = processes
        self._took: dict[str, list[float]] = {}

    def count(self, strategy: str, wall_s: float) -> None:
        self._left.remove(strategy)
        self._took.setdefault(strategy, []).append(wall_s)

    @property
    def words(self) -> str:
        every = [seconds for took in self._took.values() for seconds in took]
        mean = sum(every) / len(every)
        left_s = sum(
            sum(took) / len(took) if (took := self._took.get(name)) else mean for name in self._left
        )
        done = self._whole - len(self._left)
        return f"[{done}/{self._whole}, {left_s / self._processes / 60:.0f} min left]"


def _in_words(record: RunRecord) -> str:
    to = ", ".join(
        f"{share:.0%} {'never' if at is None else f'{at:.0f} s'}"
        for share, at in zip(SHARES, record.compute_s, strict=True)
    )
    return f"{record.strategy} on {record.table}, seed {record.seed}: {to} ({record.wall_s:.1f} s)"


if __name__ == "__main__":
    run_script(main)
