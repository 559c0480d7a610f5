"""Every method of distillation of a study, alone, over seeds: what it gains, and what survives.

    python -m benchmarks.methods.effects kd_methods --work WORK [--seeds 3] [--methods dkd,dist]
        [--journal FILE] [--set key=value]...

One student a method and seed, of the study's first network, with the method's own defaults where
the study has them, and the study's first values elsewhere. Each is trained to its end and scored on
the test split under every scheme of the study. Prints a row a method: how many seeds; accuracy,
mean and standard deviation over seeds; how much that is above `none`, paired by seed, with its
standard error; the CPU seconds of training beside those of `none`, the least over seeds of each, as
other work on the machine adds to them; accuracy under every scheme. What is trained is kept in
WORK, so it can be interrupted and run again; processes may share WORK, each with methods of its
own. What a student came to is a line of the journal, and is not asked again.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

from benchmarks.methods.outcomes import (
    METHOD,
    Journal,
    Outcome,
    outcome_of,
    spread,
    student_of,
    study_parser,
    tell,
)
from benchmarks.script import run_script
from objectives import Workbench, check_setup
from spaces import METHODS, InputError, NoTeacher, Space
from spaces import scheme_named as scheme
from studies import load_study


def main() -> None:
    """Train what is missing and print the table."""
    parser = study_parser(
        __doc__, 3, methods="only these, with commas; `none` is always among them"
    )
    parser.add_argument("--journal", type=Path, help="default: WORK/outcomes.jsonl")
    options = parser.parse_args()
    config = load_study(options.study, options.overrides)
    space = config.search_space()
    if METHOD not in space.keys or NoTeacher.kind not in space.values(METHOD):
        raise InputError(f"the study {config.name} must have `none` among its {METHOD}")
    check_setup(config.setup(), space.networks, space.schemes, space.tried)
    methods = [str(name) for name in space.values(METHOD)]
    if options.methods:
        only = {NoTeacher.kind, *options.methods.split(",")}
        if unknown := only.difference(methods):
            raise InputError(f"no method of the study: {', '.join(sorted(unknown))}")
        methods = [name for name in methods if name in only]
    journal = Journal(options.journal or options.work / "outcomes.jsonl")
    found: dict[str, list[Outcome]] = defaultdict(list)
    with Workbench(config.setup(), options.work) as bench:
        teacher = bench.teacher(tell("teacher"))
        itself = bench.evaluate(teacher, config.setup().teacher.network, scheme("fp32"), "test")
        _warm_up(bench, space, methods)
        # Seeds first: an interrupted table has all methods.
        for seed in range(options.seeds):
            for method in methods:
                student = replace(student_of(space, {METHOD: method}), seed=seed)
                who = f"{method} {seed}"
                found[method].append(outcome_of(bench, journal, student, space.schemes, who))
    print(f"Teacher {itself.accuracy:.4f} on test; {options.seeds} seeds.\n")
    print(*table(found, space.schemes), sep="\n")


def _warm_up(bench: Workbench, space: Space, methods: Sequence[str]) -> None:
    """Record what the teacher says of fixed views, which must not count as a student's training."""
    asking = [name for name in methods if METHODS[name]().needs_teacher]
    if asking:
        student = student_of(space, {METHOD: asking[0]})
        short = replace(student.stages[0], epochs=1)
        bench.train_student(replace(student, stages=(short,)), tell("warm-up"))


def table(found: Mapping[str, Sequence[Outcome]], schemes: Sequence[str]) -> list[str]:
    """Return a table in Markdown, a row a method, in the order of their accuracy.

    found: by method, one outcome a seed; of the first of `none`'s seeds, where it has fewer.
    """
    names = [name for name in schemes if name != "fp32"]
    head = ["method", "seeds", "test", "above none", "seconds", *names]
    rows = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]

    def of(method: str, name: str = "fp32") -> list[float]:
        return [100 * one.accuracies[name] for one in found[method]]

    for method in sorted(found, key=lambda one: -mean(of(one))):
        above = gains(found, method)
        cells = [
            f"`{method}`",
            str(len(found[method])),
            f"{mean(of(method)):.2f}" + spread(of(method), 1),
            "" if method == NoTeacher.kind else f"{mean(above):+.2f}" + spread(above, len(above)),
            f"{cost(found, method):.2f}x",
            *(f"{mean(of(method, name)):.2f}" for name in names),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def gains(found: Mapping[str, Sequence[Outcome]], method: str) -> list[float]:
    """Return by how many points on test a method is above labels alone, by seed."""
    pairs = zip(found[method], found[NoTeacher.kind], strict=False)
    return [100 * ours.accuracies["fp32"] - 100 * alone.accuracies["fp32"] for ours, alone in pairs]


def cost(found: Mapping[str, Sequence[Outcome]], method: str) -> float:
    """Return a method's least seconds of training, as a multiple of those of labels alone."""
    least, alone = (min(one.seconds for one in found[name]) for name in (method, NoTeacher.kind))
    return least / alone


if __name__ == "__main__":
    run_script(main)
