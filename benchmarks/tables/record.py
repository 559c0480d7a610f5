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
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from scipy.stats import spearmanr

from benchmarks.script import run_script
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
from search.forecasts import checkpoint_key
from spaces import (
    DistilfrontError,
    StudentConfig,
    architectures,
    every_student,
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
    parser.add_argument("--repeats", type=int, default=6, help="distillations on further seeds")
    parser.add_argument("--pilot", type=int, default=0, help="only so many distillations, rank 0")
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
    students = _journal(work)
    if arguments.pilot:
        _print_ranks(student for student in students if student.adapt is None)
        return
    meta = {
        "begun": prepared["begun"],
        "recorded": _now(),
        "commit": prepared["commit"],
        "machine": device_fingerprint(config.runtime.name),
        "trained_on": prepared["trained_on"],
        "versions": {name: version(name) for name in ("torch", "torchao", "peft", "onnxruntime")},
    }
    with Workbench(config.foundation(), work / "cache") as bench:
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


def _schemes(config: StudyConfig) -> list[str]:
    return [str(name) for name in config.search_space().scheme.values]


def _grid(config: StudyConfig) -> list[list[StudentConfig]]:
    """Return the students by distillation, rank 0 first."""
    families: dict[str, list[StudentConfig]] = {}
    for student in every_student(config.search_space(), config.settled()):
        families.setdefault(checkpoint_key(student), []).append(student)
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
        teacher_network = config.foundation().teacher.architecture
        students = architectures(config.search_space(), config.settled())
        with Workbench(config.foundation(), work / "cache") as bench:
            costs = costs or measure_study_costs(
                bench,
                (teacher_network, *students),
                _schemes(config),
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
    architecture = config.foundation().teacher.architecture
    with Workbench(config.foundation(), work / "cache") as bench:
        teacher = bench.teacher(lambda _: Verdict.GO_ON)
        by_split = {
            split: {
                scheme: bench.evaluate(teacher, architecture, scheme_named(scheme), split).accuracy
                for scheme in _schemes(config)
            }
            for split in SPLITS
        }
    scores: dict[str, Any] = {"test_accuracy": by_split["test"]["fp32"]}
    _write(done, scores | by_split)


def _work(config: StudyConfig, work: Path, jobs: Sequence[list[StudentConfig]], index: int) -> None:
    """Record the students of `jobs` that no journal has, one distillation after the other."""
    there = {student_key(student.config) for student in _journal(work)}
    schemes = _schemes(config)
    begun, done = time.monotonic(), 0
    with (
        Workbench(config.foundation(), work / "cache") as bench,
        (work / f"journal-{index}.jsonl").open("a") as journal,
    ):
        # Reading data, asking the teacher and waking a GPU must not count as the first student's
        # epoch. The seed is this worker's own: the others' students would only wait for one.
        first = next((f[0] for f in jobs if f[0].method.alpha > 0), jobs[0][0])
        warm_up = replace(first, schedule=replace(first.schedule, epochs=1), seed=index)
        bench.train_student(warm_up, lambda _: Verdict.GO_ON)
        for family in jobs:
            for student in family:
                if student_key(student) in there:
                    continue
                recorded = asdict(_record(bench, student, schemes))
                recorded["config"] = to_dict(student)
                journal.write(json.dumps(recorded) + "\n")
                journal.flush()
            done += 1
            left_s = (time.monotonic() - begun) / done * (len(jobs) - done)
            print(f"worker {index}: {done}/{len(jobs)}, {left_s / 60:.0f} min left", flush=True)


def _record(bench: Workbench, student: StudentConfig, schemes: Sequence[str]) -> RecordedStudent:
    accuracies: dict[str, list[float]] = {"distill": [], "adapt": []}
    seconds: dict[str, list[float]] = {"distill": [], "adapt": []}
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
            scored = bench.evaluate(trained, student.architecture, scheme_named(scheme), split)
            by_split[split][scheme] = scored.accuracy
            evaluation_s.setdefault(scheme, time.process_time() - begun_s)
    distill = _stage(accuracies["distill"], seconds["distill"])
    adapt = _stage(accuracies["adapt"], seconds["adapt"]) if seconds["adapt"] else None
    return RecordedStudent(
        student, distill, adapt, by_split["validation"], by_split["test"], evaluation_s
    )


def _stage(accuracies: Sequence[float], seconds: Sequence[float]) -> RecordedStage:
    return RecordedStage(tuple(accuracies), tuple(seconds))


def _journal(work: Path) -> list[RecordedStudent]:
    """Return every student recorded so far, with the seconds that its distilling really took."""
    rows: list[Mapping[str, Any]] = []
    for path in sorted(work.glob("journal-*.jsonl")):
        lines = path.read_text("utf-8").splitlines(keepends=True)
        rows += [json.loads(line) for line in lines if line.endswith("\n")]
    students = []
    paid: dict[str, RecordedStage] = {}
    for row in sorted(rows, key=lambda row: row["adapt"] is not None):
        config = from_dict(StudentConfig, row["config"])
        distill = _stage(**row["distill"])
        # An adapter's student took its distilled checkpoint from the cache, in no time.
        distill = paid.setdefault(checkpoint_key(config), distill)
        adapt = _stage(**row["adapt"]) if row["adapt"] else None
        values = (row[name] for name in ("validation", "test", "evaluation_seconds"))
        students.append(RecordedStudent(config, distill, adapt, *values))
    return students


def _print_ranks(students: Iterator[RecordedStudent]) -> None:
    """Print, per epoch, the rank correlation with the final accuracy."""
    curves = [student.distill.accuracies for student in students]
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
