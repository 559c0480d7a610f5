"""Record a table: train every student of a study's grid once and keep all that was seen.

    python -m benchmarks.tables.record benchmarks/tables/digits_mobilenet.toml --work-dir WORK \
        [--pilot 12]

The real chain runs, stage by stage, through the real stage cache; seconds are of the CPU, on one
thread, so that another load on the machine changes them little. Where a GPU trains they are of the
thread that feeds it, busy until the GPU is done: workers that share one wait for each other, and
that is in them. It can be interrupted at any time and run again: students that were recorded are
kept. `--pilot N` trains N of the distillations only and prints how well each epoch's accuracy ranks
the final ones: a table whose early epochs say nothing is not worth recording. At the end
NAME.parquet lies beside the study file.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from scipy.stats import spearmanr

from benchmarks.script import run_script
from benchmarks.tables.journal import line_of, open_journal, read_journals
from benchmarks.tables.recorded import RecordedStage, RecordedStudent, table_of
from objectives import (
    CostTable,
    EpochReport,
    StoppedStudent,
    Verdict,
    Workbench,
    device_fingerprint,
    measure_study_costs,
)
from search.cli import read_study_costs
from spaces import (
    DistilfrontError,
    StudentConfig,
    from_dict,
    scheme_named,
    student_key,
    to_dict,
)
from studies import StudyConfig, load_study

SPLITS: tuple[Literal["validation", "test"], ...] = ("validation", "test")

REPEAT_SEEDS = (1001, 1002)
"""Two further seeds on part of the grid, so that the noise is known: three with the study's."""


def main() -> None:
    """Record what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", help="a study file whose space is the grid")
    parser.add_argument("--work-dir", type=Path, required=True, help="journal and stage cache")
    parser.add_argument("--workers", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--repeats", type=int, default=6, help="first stages on further seeds")
    parser.add_argument("--pilot", type=int, default=0, help="only so many first stages, alone")
    parser.add_argument("--data-root", help="where data that are not embedded lie")
    parser.add_argument("--costs", type=Path, help="costs.json of search.profile's bundle")
    arguments = parser.parse_args()
    root = [f"data.root={arguments.data_root}"] if arguments.data_root else []
    config = load_study(arguments.study, root)
    costs = read_study_costs(arguments.costs, config) if arguments.costs else None
    work = arguments.work_dir / config.name
    work.mkdir(parents=True, exist_ok=True)
    prepared = _prepare(config, work, costs)
    jobs = _jobs(config, arguments.repeats)
    if arguments.pilot:
        step = max(1, len(_grid(config)) // arguments.pilot)
        jobs = [job[:1] for job in _grid(config)[::step]]
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_work, args=(config, work, jobs[i :: arguments.workers], i))
        for i in range(arguments.workers)
    ]
    if not arguments.pilot:
        workers.append(context.Process(target=_score_teacher, args=(config, work)))
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        sys.exit("a worker failed; run the command again to go on")
    students = read_journals(work)
    if arguments.pilot:
        _print_ranks(student for student in students if len(student.stages) == 1)
        return
    meta = {
        "begun": prepared["begun"],
        "recorded": _now(),
        "commit": prepared["commit"],
        "machine": device_fingerprint(config.runtime.name),
        "trained_on": prepared["trained_on"],
        "versions": {name: version(name) for name in ("torch", "torchao", "peft", "onnxruntime")},
    }
    with Workbench(config.setup(), work / "cache") as bench:
        images = bench.data.images_in("validation")
    table = table_of(
        # Where the data lay is nobody's business.
        load_study(arguments.study),
        from_dict(CostTable, prepared["costs"]),
        prepared["teacher"] | json.loads((work / "teacher.json").read_text("utf-8")),
        students,
        validation_images=images,
        meta=meta,
    )
    path = Path(arguments.study).with_suffix(".parquet")
    table.save(path)
    print(f"{path}: {len(table.students)} students, {len(table.outcomes)} points,")
    print(f"{path.stat().st_size / 1e3:.0f} kB, true hypervolume {table.true_hypervolume:.4f}")


def _grid(config: StudyConfig) -> list[list[StudentConfig]]:
    """Return the students by their first stage, the shortest of each first."""
    families: dict[str, list[StudentConfig]] = {}
    for student in config.search_space().students():
        families.setdefault(student_key(student.prefix(1)), []).append(student)
    return [sorted(family, key=lambda s: s.total_epochs) for family in families.values()]


def _jobs(config: StudyConfig, repeats: int) -> list[list[StudentConfig]]:
    """Return what there is to train: the grid, and part of it on further seeds."""
    grid = _grid(config)
    again = grid[:: max(1, len(grid) // repeats)][:repeats] if repeats else []
    return grid + [
        [replace(student, seed=seed) for student in family]
        for seed in REPEAT_SEEDS
        for family in again
    ]


def _prepare(config: StudyConfig, work: Path, costs: CostTable | None) -> dict[str, Any]:
    """Return what is known before the first student; costs are measured where none are given."""
    done = work / "prepared.json"
    if not done.exists():
        begun, commit = _now(), _commit()
        space = config.search_space()
        with Workbench(config.setup(), work / "cache") as bench:
            costs = costs or measure_study_costs(
                bench,
                (config.setup().teacher.network, *space.networks),
                space.schemes,
                processes=config.costs.processes,
                calls=config.costs.calls,
                on_progress=lambda words: print(words, flush=True),
            )
            teacher = bench.teacher(lambda _: Verdict.GO_ON)
            print(f"the teacher has {teacher.accuracy:.1%}", flush=True)
        record = {
            "accuracy": teacher.accuracy,
            "seconds": sum(stage.seconds for stage in teacher.stages),
        }
        on_gpu = config.runtime.device == "cuda"
        _write(
            done,
            {
                "teacher": record,
                "costs": to_dict(costs),
                "begun": begun,
                "commit": commit,
                "trained_on": torch.cuda.get_device_name() if on_gpu else "the CPU",
            },
        )
    prepared: dict[str, Any] = json.loads(done.read_text("utf-8"))
    return prepared


def _score_teacher(config: StudyConfig, work: Path) -> None:
    """Record what the teacher's own artifacts reach, beside the students' training."""
    done = work / "teacher.json"
    if done.exists():
        return
    network = config.setup().teacher.network
    with Workbench(config.setup(), work / "cache") as bench:
        teacher = bench.teacher(lambda _: Verdict.GO_ON)
        by_split = {
            split: {
                scheme: bench.evaluate(teacher, network, scheme_named(scheme), split).accuracy
                for scheme in config.search_space().schemes
            }
            for split in SPLITS
        }
    scores: dict[str, Any] = {"test_accuracy": by_split["test"]["fp32"]}
    _write(done, scores | by_split)


def _work(config: StudyConfig, work: Path, jobs: Sequence[list[StudentConfig]], index: int) -> None:
    """Record the students of `jobs` that no journal has, one first stage after the other."""
    there = {student_key(student.config) for student in read_journals(work)}
    schemes = config.search_space().schemes
    begun, done = time.monotonic(), 0
    with (
        Workbench(config.setup(), work / "cache") as bench,
        open_journal(work, index) as journal,
    ):
        # Reading data, asking the teacher and waking a GPU must not count as the first student's
        # epoch. The seed is this worker's own: the others' students would only wait for one.
        first = next((f[0] for f in jobs if f[0].needs_teacher), jobs[0][0])
        short = replace(first.stages[0], epochs=1)
        warm_up = replace(first, stages=(short,), seed=index)
        bench.train_student(warm_up, lambda _: Verdict.GO_ON)
        for family in jobs:
            for student in family:
                if student_key(student) in there:
                    continue
                journal.write(line_of(_record(bench, student, schemes)))
                journal.flush()
            done += 1
            left_s = (time.monotonic() - begun) / done * (len(jobs) - done)
            print(f"worker {index}: {done}/{len(jobs)}, {left_s / 60:.0f} min left", flush=True)


def _record(bench: Workbench, student: StudentConfig, schemes: Sequence[str]) -> RecordedStudent:
    accuracies: dict[str, list[float]] = {stage.kind: [] for stage in student.stages}
    seconds: dict[str, list[float]] = {stage.kind: [] for stage in student.stages}
    last_s = time.process_time()

    def on_epoch(report: EpochReport) -> Verdict:
        nonlocal last_s
        accuracies[report.stage].append(report.accuracy)
        now_s = time.process_time()
        seconds[report.stage].append(now_s - last_s)
        last_s = now_s
        return Verdict.GO_ON

    trained = bench.train_student(student, on_epoch)
    if isinstance(trained, StoppedStudent):
        raise DistilfrontError("a student that is recorded was stopped")
    by_split: dict[str, dict[str, float]] = {split: {} for split in SPLITS}
    evaluation_s: dict[str, float] = {}
    for split in SPLITS:
        for scheme in schemes:
            begun_s = time.process_time()
            scored = bench.evaluate(trained, student.deployed, scheme_named(scheme), split)
            by_split[split][scheme] = scored.accuracy
            evaluation_s.setdefault(scheme, time.process_time() - begun_s)
    stages = tuple(
        RecordedStage(tuple(accuracies[stage.kind]), tuple(seconds[stage.kind]))
        for stage in student.stages
    )
    return RecordedStudent(student, stages, by_split["validation"], by_split["test"], evaluation_s)


def _print_ranks(students: Iterator[RecordedStudent]) -> None:
    """Print, per epoch, the rank correlation with the final accuracy."""
    curves = [student.stages[0].accuracies for student in students]
    print("| epoch | Spearman with the last | lowest | median | highest |\n|---|---|---|---|---|")
    for epoch, accuracies in enumerate(zip(*curves, strict=True), 1):
        ranked = spearmanr(accuracies, [curve[-1] for curve in curves]).statistic
        low, *_, high = ordered = sorted(accuracies)
        middle = ordered[len(ordered) // 2]
        print(f"| {epoch} | {ranked:.2f} | {low:.3f} | {middle:.3f} | {high:.3f} |")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _commit() -> str:
    """Return the commit of the code that recorded, with a + when files differ from it."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+"]
    said = subprocess.run(git, capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"


def _write(path: Path, values: Mapping[str, Any]) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(json.dumps(values), encoding="utf-8")
    aside.replace(path)


if __name__ == "__main__":
    run_script(main)
