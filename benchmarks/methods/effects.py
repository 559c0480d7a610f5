"""Every method of distillation of a study, alone, over seeds: what it gains, and what survives.

    python -m benchmarks.methods.effects kd_methods --work WORK [--seeds 3] [--methods dkd,dist]
        [--journal FILE] [--set key=value]...

One student a method and seed, of the study's first network, with the method's own defaults where
the study has them, and the study's first values elsewhere. Each is trained to its end and scored on
the test split under every scheme of the study. Prints a row a method: accuracy, mean and standard
deviation over seeds; how much that is above `none`, paired by seed, with its standard error; the
CPU seconds of training beside those of `none`; accuracy under every scheme. What is trained is kept
in WORK, so it can be interrupted and run again; processes may share WORK, each with methods of its
own. What a student came to is a line of the journal, and is not asked again.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, stdev

from benchmarks.script import run_script
from objectives import EpochReport, OnEpoch, TrainedStudent, Verdict, Workbench, check_setup
from spaces import (
    METHODS,
    Declared,
    InputError,
    NoTeacher,
    Space,
    StudentConfig,
    Value,
    digest,
    essence,
)
from spaces import scheme_named as scheme
from studies import load_study

_METHOD = "distill.method"


@dataclass(frozen=True)
class Outcome:
    """What one student came to."""

    accuracies: Mapping[str, float]
    """On test, in [0, 1], by scheme; the float network's is that of fp32."""
    seconds: float
    """Of the CPU, for its training."""


class Journal:
    """A file with a line of JSON a student, the last of each counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._path.parent.mkdir(parents=True, exist_ok=True)

    def outcome(self, key: str) -> Outcome | None:
        """Return what the student of that key came to; None when there is no such line."""
        lines = self._path.read_text("utf-8").splitlines() if self._path.exists() else []
        found = [row for row in map(json.loads, lines) if row["key"] == key]
        return Outcome(found[-1]["accuracies"], found[-1]["seconds"]) if found else None

    def write(self, key: str, who: str, outcome: Outcome) -> None:
        """Append a line."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "who": who, **asdict(outcome)}) + "\n")


def main() -> None:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", help="a built-in study's name or a file")
    parser.add_argument("--work", type=Path, required=True, help="folder of the stage cache")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", help="only these, with commas; `none` is always among them")
    parser.add_argument("--journal", type=Path, help="default: WORK/outcomes.jsonl")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    options = parser.parse_args()
    config = load_study(options.study, options.overrides)
    space = config.search_space()
    if _METHOD not in space.keys or NoTeacher.kind not in space.values(_METHOD):
        raise InputError(f"the study {config.name} must have `none` among its {_METHOD}")
    check_setup(config.setup(), space.networks, space.schemes, space.methods)
    methods = [str(name) for name in space.values(_METHOD)]
    if options.methods:
        only = {NoTeacher.kind, *options.methods.split(",")}
        if unknown := only.difference(methods):
            raise InputError(f"no method of the study: {', '.join(sorted(unknown))}")
        methods = [name for name in methods if name in only]
    journal = Journal(options.journal or options.work / "outcomes.jsonl")
    found: dict[str, list[Outcome]] = defaultdict(list)
    with Workbench(config.setup(), options.work) as bench:
        teacher = bench.teacher(_tell("teacher"))
        itself = bench.evaluate(teacher, config.setup().teacher.network, scheme("fp32"), "test")
        _warm_up(bench, space, methods)
        # Seeds first: an interrupted table has all methods.
        for seed in range(options.seeds):
            for method in methods:
                student = replace(student_of(space, method), seed=seed)
                who = f"{method} {seed}"
                found[method].append(_outcome(bench, journal, student, space.schemes, who))
    print(f"Teacher {itself.accuracy:.4f} on test; {options.seeds} seeds.\n")
    print(*table(found, space.schemes), sep="\n")


def student_of(space: Space, method: str) -> StudentConfig:
    """Return the student that learns by `method`, of the space's first network."""
    plain = METHODS[method]()

    def ask(name: str, declared: Declared) -> Value:
        values = space.values(name)
        default = getattr(plain, declared.name, None)
        if name == _METHOD:
            return method
        return default if default in values else values[0]

    return space.chain(ask).student


def _tell(who: str) -> OnEpoch:
    def on_epoch(report: EpochReport) -> Verdict:
        if not report.reused:
            print(
                f"{who}: {report.stage} {report.epoch}/{report.epochs}, {report.accuracy:.4f}",
                file=sys.stderr,
                flush=True,
            )
        return Verdict.GO_ON

    return on_epoch


def _warm_up(bench: Workbench, space: Space, methods: Sequence[str]) -> None:
    """Record what the teacher says of fixed views, which must not count as a student's training."""
    asking = [name for name in methods if METHODS[name]().needs_teacher]
    if asking:
        student = student_of(space, asking[0])
        short = replace(student.stages[0], epochs=1)
        bench.train_student(replace(student, stages=(short,)), _tell("warm-up"))


def _outcome(
    bench: Workbench, journal: Journal, student: StudentConfig, schemes: Sequence[str], who: str
) -> Outcome:
    """Return what the student came to, from the journal as far as that has it."""
    key = digest(essence(student), bench.data.fingerprint)
    known = journal.outcome(key)
    scored = dict(known.accuracies) if known else {}
    missing = [name for name in dict.fromkeys(["fp32", *schemes]) if name not in scored]
    if known and not missing:
        return known
    begun, tell = time.process_time(), _tell(who)
    reused = False

    def on_epoch(report: EpochReport) -> Verdict:
        nonlocal reused
        reused |= report.reused
        return tell(report)

    trained = bench.train_student(student, on_epoch)
    seconds = time.process_time() - begun
    if not isinstance(trained, TrainedStudent):
        raise TypeError("a student stopped that nobody had told to")
    if reused:
        # Wall time stands in where part of the training was another process's.
        seconds = known.seconds if known else sum(stage.seconds for stage in trained.stages)
    for name in missing:
        scored[name] = bench.evaluate(trained, student.network, scheme(name), "test").accuracy
    outcome = Outcome(scored, seconds)
    journal.write(key, who, outcome)
    return outcome


def table(found: Mapping[str, Sequence[Outcome]], schemes: Sequence[str]) -> list[str]:
    """Return a table in Markdown, a row a method, in the order of their accuracy."""
    names = [name for name in schemes if name != "fp32"]
    head = ["method", "test", "above none", "seconds", *names]
    rows = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    alone = found[NoTeacher.kind]

    def of(method: str, name: str = "fp32") -> list[float]:
        return [100 * one.accuracies[name] for one in found[method]]

    for method in sorted(found, key=lambda one: -mean(of(one))):
        pairs = zip(of(method), of(NoTeacher.kind), strict=True)
        gains = [ours - theirs for ours, theirs in pairs]
        cost = mean(one.seconds for one in found[method]) / mean(one.seconds for one in alone)
        cells = [
            f"`{method}`",
            f"{mean(of(method)):.2f}" + _spread(of(method), 1),
            "" if method == NoTeacher.kind else f"{mean(gains):+.2f}" + _spread(gains, len(gains)),
            f"{cost:.2f}x",
            *(f"{mean(of(method, name)):.2f}" for name in names),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _spread(values: Sequence[float], by: int) -> str:
    return f" ± {stdev(values) / by**0.5:.2f}" if len(values) > 1 else ""


if __name__ == "__main__":
    run_script(main)
