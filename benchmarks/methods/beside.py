"""A source's table beside ours: the very settings of each of its rows, trained by a study of ours.

    python -m benchmarks.methods.beside kd_methods --work WORK [--seeds 3] [--rows DKD,KD]
        [--set key=value]...

`published/STUDY.toml` says what the source reports, and wherein it differs from ours. Every row is
one student a seed, of the study's first network; what a row does not say has its method's default
where the study has that, or the study's first value. Seeds are the source's, or the first `--seeds`
of them. Accuracies are of the test split, in points, of the float network unless the row names a
scheme. What is trained is kept in WORK, so it can be interrupted and run again.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean

from benchmarks.methods.outcomes import (
    METHOD,
    Journal,
    outcome_of,
    spread,
    student_of,
    study_parser,
    tell,
)
from benchmarks.script import run_script
from objectives import Workbench, check_setup
from spaces import InputError, Value
from spaces import scheme_named as scheme
from studies import load_study

_PUBLISHED = Path(__file__).parent / "published"


@dataclass(frozen=True)
class Row:
    """One line of a source's table."""

    label: str
    """As the source calls it."""
    published: float | None = None
    """Accuracy on test, in points; None: it gives none."""
    answers: Mapping[str, Value] = field(default_factory=dict)
    """Settings by dotted key; empty for the teacher."""
    scheme: str = "fp32"


@dataclass(frozen=True)
class Source:
    """A table that was published."""

    source: str
    """Who, where."""
    differences: tuple[str, ...]
    """What a reader must know before comparing."""
    rows: tuple[Row, ...]
    seeds: tuple[int, ...] = (0, 1, 2)


def read_source(study: str) -> Source:
    """Return what stands beside a study; raises InputError where nothing does."""
    path = _PUBLISHED / f"{study}.toml"
    if not path.exists():
        known = ", ".join(sorted(each.stem for each in _PUBLISHED.glob("*.toml")))
        raise InputError(f"nothing published is kept for the study {study}: there is {known}")
    values = tomllib.loads(path.read_text("utf-8"))
    rows = tuple(Row(**row) for row in values.pop("rows"))
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Source(**values | lists, rows=rows)


def main() -> None:
    """Train what is missing and print both tables as one."""
    parser = study_parser(__doc__, None, rows="only these, with commas")
    options = parser.parse_args()
    source = read_source(options.study)
    rows = _only(source.rows, options.rows)
    config = load_study(options.study, options.overrides)
    space = config.search_space()
    students = [student_of(space, row.answers) if row.answers else None for row in rows]
    check_setup(config.setup(), space.networks, space.schemes, space.tried)
    journal = Journal(options.work / "outcomes.jsonl")
    found: list[list[float]] = [[] for _ in rows]
    with Workbench(config.setup(), options.work) as bench:
        teacher, network = bench.teacher(tell("teacher")), config.setup().teacher.network
        for seed in source.seeds[: options.seeds]:
            for row, student, ours in zip(rows, students, found, strict=True):
                if student is not None:
                    of_seed, who = replace(student, seed=seed), f"{row.label} {seed}"
                    outcome = outcome_of(bench, journal, of_seed, [row.scheme], who)
                    ours.append(outcome.accuracies[row.scheme])
                elif not ours:
                    ours.append(
                        bench.evaluate(teacher, network, scheme(row.scheme), "test").accuracy
                    )
    print(*beside(source, rows, found), sep="\n")


def _only(rows: Sequence[Row], wanted: str | None) -> tuple[Row, ...]:
    if wanted is None:
        return tuple(rows)
    labels = wanted.split(",")
    if unknown := set(labels) - {row.label for row in rows}:
        known = ", ".join(row.label for row in rows)
        raise InputError(f"no row {', '.join(sorted(unknown))}: there is {known}")
    return tuple(row for row in rows if row.label in labels)


def beside(source: Source, rows: Sequence[Row], found: Sequence[Sequence[float]]) -> list[str]:
    """Return the table in Markdown, in the source's order.

    found: accuracies in [0, 1] by row and seed. Above alone: less the row of method `none`, where
    there is one, in the source and here.
    """
    alone = next((i for i, row in enumerate(rows) if row.answers.get(METHOD) == "none"), None)
    lines = [
        source.source,
        "",
        "| row | published | ours | published above alone | ours above alone |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row, accuracies in zip(rows, found, strict=True):
        ours = [100 * accuracy for accuracy in accuracies]
        gains = ["", ""]
        if alone is not None and row.answers and row is not rows[alone]:
            pairs = zip(ours, found[alone], strict=True)
            own = [value - 100 * other for value, other in pairs]
            theirs, base = row.published, rows[alone].published
            known = "" if theirs is None or base is None else f"{theirs - base:+.2f}"
            gains = [known, f"{mean(own):+.2f}{spread(own, len(own))}"]
        published = "" if row.published is None else f"{row.published:.2f}"
        cells = [row.label, published, f"{mean(ours):.2f}{spread(ours, 1)}", *gains]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, "", *(f"- {difference}" for difference in source.differences)]


if __name__ == "__main__":
    run_script(main)
