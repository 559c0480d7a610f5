"""Every method of distillation of a study, alone, over seeds: what it gains, and what survives.

    python -m benchmarks.methods.effects kd_methods --work WORK [--seeds 3] [--set key=value]...

One student a method and seed, of the study's first network, with the method's own defaults where
the study has them, and the study's first values elsewhere. Each is trained to its end and scored on
the test split under every scheme of the study. Prints a row a method: accuracy, mean and standard
deviation over seeds; how much that is above `none`, paired by seed, with its standard error; the
seconds of training beside those of `none`; accuracy under every scheme. What is trained is kept in
WORK, so it can be interrupted and run again.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev

from benchmarks.script import run_script
from objectives import EpochReport, OnEpoch, TrainedStudent, Verdict, Workbench, check_setup
from spaces import METHODS, Declared, InputError, NoTeacher, Space, StudentConfig, Value
from spaces import scheme_named as scheme
from studies import load_study

_METHOD = "distill.method"


@dataclass(frozen=True)
class Outcome:
    """What one student came to."""

    accuracies: Mapping[str, float]
    """On test, in [0, 1], by scheme; the float network's is that of fp32."""
    seconds: float
    """Of its training, recording the teacher aside."""


def main() -> None:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", help="a built-in study's name or a file")
    parser.add_argument("--work", type=Path, required=True, help="folder of the stage cache")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    options = parser.parse_args()
    config = load_study(options.study, options.overrides)
    space = config.search_space()
    if _METHOD not in space.keys or NoTeacher.kind not in space.values(_METHOD):
        raise InputError(f"the study {config.name} must have `none` among its {_METHOD}")
    check_setup(config.setup(), space.networks, space.schemes, space.lessons)
    found: dict[str, list[Outcome]] = defaultdict(list)
    with Workbench(config.setup(), options.work) as bench:
        teacher = bench.teacher(_tell("teacher"))
        itself = bench.evaluate(teacher, config.setup().teacher.network, scheme("fp32"), "test")
        # Seeds first: an interrupted table has all methods.
        for seed in range(options.seeds):
            for method in map(str, space.values(_METHOD)):
                student = replace(student_of(space, method), seed=seed)
                found[method].append(_outcome(bench, student, space.schemes, f"{method} {seed}"))
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


def _outcome(bench: Workbench, student: StudentConfig, schemes: Sequence[str], who: str) -> Outcome:
    trained = bench.train_student(student, _tell(who))
    if not isinstance(trained, TrainedStudent):
        raise TypeError("a student stopped that nobody had told to")
    return Outcome(
        {
            name: bench.evaluate(trained, student.network, scheme(name), "test").accuracy
            for name in dict.fromkeys(["fp32", *schemes])
        },
        sum(stage.seconds for stage in trained.stages),
    )


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
