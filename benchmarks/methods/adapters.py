"""Every way of adapting of a study, over seeds, beside the same epochs without an adapter.

    python -m benchmarks.methods.adapters STUDY --work WORK [--seeds 3] [--set key=value]...

One distilled student for each `distill.method` of the study and each seed, as `effects` chooses it,
and from it one adapted student for each combination of the words that the study lists under
`space.adapt`: method, targets, learns_from and whatever else there is. Numbers are at their
defaults, or the first that the study lists; of several learning rates, each row has the one that is
best on validation, the mean over seeds.

Prints a row a combination. `control` is `full`: the same epochs, optimizer and rates, every weight
learning, from what the adapter learned from. A row has its accuracy on test, mean and standard
deviation over seeds; how much that is above the student before, and above the control, paired by
seed, with standard errors; the CPU seconds of adapting beside the control's; and accuracy under
every scheme. With several ways of distilling a second table says what each changes in what an
adapter adds. Outcomes are kept in WORK/adapters.jsonl, so it can be interrupted and run again.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from statistics import mean
from typing import NamedTuple

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
from spaces import Adapt, Choice, InputError, Schedule, Space, StudentConfig, Value
from studies import load_study

_ADAPT = "adapt"
_RATE = "adapt.learning_rate"
NOTHING, CONTROL = "not adapted", "control"


class Row(NamedTuple):
    """A line of the table, whatever its learning rate."""

    distilled: str
    adapted: str
    control: str
    """What its control is adapted by; empty of the student before."""


Best = Mapping[Row, tuple[float, Sequence[Outcome]]]


def main() -> None:
    """Train what is missing and print the tables."""
    options = study_parser(__doc__, 3).parse_args()
    config = load_study(options.study, options.overrides)
    space = config.search_space()
    stages = adaptations(space)
    controls = list(dict.fromkeys(map(control_of, stages)))
    tried = [*space.tried, *stages, *controls]
    check_setup(config.setup(), space.networks[:1], space.schemes, tried)
    students: dict[tuple[Row, float], list[tuple[StudentConfig, str]]] = defaultdict(list)
    found: dict[tuple[Row, float], list[Outcome]] = defaultdict(list)
    with Workbench(config.setup(), options.work) as bench:
        journal = Journal(options.work / "adapters.jsonl")
        bench.teacher(tell("teacher"))

        def outcome(student: StudentConfig, who: str, schemes: Sequence[str] = ()) -> Outcome:
            return outcome_of(bench, journal, student, schemes, who)

        for seed in range(options.seeds):
            for distilled in map(str, space.values(METHOD)):
                base = replace(student_of(space, {METHOD: distilled}).prefix(1), seed=seed)
                for stage in (None, *controls, *stages):
                    student = base if stage is None else replace(base, stages=(*base.stages, stage))
                    key = row_of(distilled, stage), 0.0 if stage is None else stage.learning_rate
                    said = "; ".join(one.in_words for one in student.stages)
                    who = f"{said}, seed {seed}"
                    students[key].append((student, who))
                    found[key].append(outcome(student, who))
        best: Best = {
            row: (rate, [outcome(*one, space.schemes) for one in students[row, rate]])
            for row, (rate, _) in at_their_best_rates(found).items()
        }
    print(*table(best, space.schemes), sep="\n")
    if len(space.values(METHOD)) > 1:
        print("", *interactions(best), sep="\n")


def adaptations(space: Space) -> list[Adapt]:
    """Return a stage for each combination of words and learning rates, controls aside."""
    if _ADAPT not in space.stages[1:]:
        raise InputError("the study must have `adapt` after its first stage")
    domains = dict(space.domains)
    for name, (key, *_) in space.keys.items():
        values, declared = space.values(name), key.declared
        kept: list[Value] = [value for value in values if value != declared.setting.skips]
        varies = key.table == _ADAPT and (name == _RATE or isinstance(values[0], str))
        default = declared.default
        settled = default if default in kept else (kept or values)[0]
        domains[name] = Choice(tuple(kept) if varies else (settled,))
    domains[METHOD] = Choice(space.values(METHOD)[:1])
    students = Space(space.stages, domains, space.seed).students()
    stages = [stage for one in students for stage in one.stages if isinstance(stage, Adapt)]
    if not stages:
        raise InputError("the study adapts no student: space.adapt.rank has 0 alone")
    return [stage for stage in dict.fromkeys(stages) if stage != control_of(stage)]


def control_of(stage: Adapt) -> Adapt:
    """Return the same schedule, lesson and layout, with every weight learning."""
    schedule = {each.name: getattr(stage, each.name) for each in fields(Schedule)}
    return Adapt(method="full", learns_from=stage.learns_from, layout=stage.layout, **schedule)


def row_of(distilled: str, stage: Adapt | None) -> Row:
    """Return the line that a student is counted on."""
    if stage is None:
        return Row(distilled, NOTHING, "")
    control = control_of(stage).in_words.replace("full", CONTROL)
    words = stage.in_words.removeprefix(f"{stage.method}, ").removeprefix(stage.method)
    adapted = ", ".join(filter(None, (stage.method, words)))
    return Row(distilled, control if stage == control_of(stage) else adapted, control)


def at_their_best_rates(found: Mapping[tuple[Row, float], Sequence[Outcome]]) -> Best:
    """Return, by row, its learning rate that is best on validation, and the outcomes there."""
    best = dict[Row, tuple[float, Sequence[Outcome]]]()
    for (row, rate), outcomes in found.items():
        here = mean(one.validation for one in outcomes)
        if row not in best or here > mean(one.validation for one in best[row][1]):
            best[row] = rate, outcomes
    return best


def table(best: Best, schemes: Sequence[str]) -> list[str]:
    """Return a table in Markdown, a row a way of adapting, the distilled students one by one."""
    names = [name for name in schemes if name != "fp32"]
    head = ["distilled by", "adapted by", "learning rate", "test", f"above {NOTHING}"]
    lines = [_line([*head, f"above {CONTROL}", "seconds", *names])]
    lines.append("|" + " --- |" * (len(head) + 2 + len(names)))
    places = {row.distilled: place for place, row in enumerate(best) if row.adapted == NOTHING}
    order = sorted(best, key=lambda row: (places[row.distilled], -mean(_percent(best, row))))
    for row in order:
        rate, outcomes = best[row]
        test = f"{mean(_percent(best, row)):.2f}" + spread(_percent(best, row), 1)
        cells = [f"`{row.distilled}`", row.adapted]
        if row.adapted == NOTHING:
            cells += ["", test, "", "", ""]
        else:
            control = row._replace(adapted=row.control)
            above = "" if row == control else _said(_gains(best, row, control))
            cost = _seconds(outcomes) / _seconds(best[control][1])
            cells += [f"{rate:g}", test, _said(_gains(best, row)), above, f"{cost:.2f}x"]
        cells += [f"{mean(_percent(best, row, name)):.2f}" for name in names]
        lines.append(_line(cells))
    return lines


def interactions(best: Best) -> list[str]:
    """Return a table of how much more each way adds to a student distilled otherwise."""
    first, *others = dict.fromkeys(row.distilled for row in best)
    beside = (f"`{one}` - `{first}`" for one in others)
    lines = [_line(["adapted by", f"adds to `{first}`", *beside])]
    lines.append("|" + " --- |" * (2 + len(others)))
    for row in best:
        if row.distilled == first and row.adapted != NOTHING:
            here = _gains(best, row)
            cells = [row.adapted, _said(here)]
            for other in others:
                there = _gains(best, row._replace(distilled=other))
                more = [ours - theirs for ours, theirs in zip(there, here, strict=True)]
                cells.append(_said(more))
            lines.append(_line(cells))
    return lines


def _gains(best: Best, row: Row, other: Row | None = None) -> list[float]:
    """Return by how many points a row is above another, by default the student before, by seed."""
    beside = _percent(best, other or Row(row.distilled, NOTHING, ""))
    return [ours - theirs for ours, theirs in zip(_percent(best, row), beside, strict=True)]


def _said(gains: Sequence[float]) -> str:
    return f"{mean(gains):+.2f}" + spread(gains, len(gains))


def _percent(best: Best, row: Row, scheme: str = "fp32") -> list[float]:
    return [100 * one.accuracies[scheme] for one in best[row][1]]


def _seconds(outcomes: Sequence[Outcome]) -> float:
    return mean(one.seconds for one in outcomes)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    run_script(main)
