"""What a table would say of students between its own: a surrogate, and how far it errs.

    python -m benchmarks.tables.off_grid benchmarks/tables/*.parquet
    python -m benchmarks.tables.off_grid benchmarks/tables/cifar10_wide.parquet --out FILE.parquet \
        --set 'space.distill.temperature={low=2, high=8, step=1}' [--set KEY=VALUE ...] [--smooth]

Prints the error on students that the surrogate has not seen. `--out` writes the table of a wider
space, which the scripts of benchmarks.replay take as any other: recorded students are as they were,
the surrogate answers for the rest. `--set` changes the study file beside the table.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.script import run_script
from benchmarks.tables.oracle_search import prefix_key
from benchmarks.tables.recorded import RecordedStudent, Table, load_table, table_of
from benchmarks.tables.surrogate import BETWEEN, Surrogate, require_known
from spaces import InputError, Space, student_key
from studies import StudyConfig, load_study

HEAD = (
    "| table | distilled | distilled and adapted | all artifacts | another seed "
    "| correlation | training seconds |"
)


def main() -> None:
    """Print the errors and, when asked to, write the wider table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", type=Path, nargs="+", help="of benchmarks.tables.record")
    parser.add_argument("--out", type=Path, help="where the wider table of the one file goes")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes")
    parser.add_argument("--smooth", action="store_true", help="answer without luck")
    options = parser.parse_args()
    if options.out and len(options.tables) > 1:
        parser.error(f"--out takes one table, got {len(options.tables)}")
    print(HEAD)
    print("|" + " --- |" * (HEAD.count(" | ") + 1))
    for path in options.tables:
        surrogate = Surrogate(load_table(path))
        print(row(surrogate), flush=True)
        if options.out:
            config = load_study(str(path.with_suffix(".toml")), options.changes)
            wide = widened(surrogate, config, luck=not options.smooth)
            wide.save(options.out)
            print(f"\n{options.out}: {len(wide.students):,} students")


def widened(surrogate: Surrogate, config: StudyConfig, *, luck: bool = True) -> Table:
    """Return the table of the space of `config`, answered by the surrogate where not recorded.

    luck: students differ from what their settings say as much as recorded ones do. Raises
    InputError when more than the space differs, or the space reaches beyond what was recorded.
    """
    table = surrogate.table
    if _beside_space(config) != _beside_space(table.config):
        raise InputError(f"{config.name} differs from {table.name} in more than its space")
    _check(table, config.search_space())
    asked = [
        student
        for student in config.search_space().students()
        if student_key(student) not in table.students
    ]
    return table_of(
        config,
        table.costs,
        table.teacher,
        [*table.students.values(), *surrogate.answers(asked, luck=luck)],
        validation_images=table.validation_images,
        meta={**table.meta, "surrogate": {"recorded": len(table.students), "luck": luck}},
    )


def _beside_space(config: StudyConfig) -> Mapping[str, object]:
    values = {**config.identity(), "bounds": config.to_dict()["bounds"]}
    del values["space"]
    return values


def _check(table: Table, space: Space) -> None:
    """Raise InputError when `space` has a value that `table` says nothing of."""
    require_known(space)
    recorded = table.config.search_space()
    for name in recorded.keys:
        known = recorded.values(name)
        unknown = [value for value in space.values(name) if value not in known]
        words = ", ".join(map(str, known))
        if name in BETWEEN and len(known) > 1:
            # To have no adapter lies beside all ranks, and not below the least.
            skips = recorded.keys[name][0].declared.setting.skips
            numbers = sorted(float(value) for value in known if value != skips)
            unknown = [v for v in unknown if not numbers[0] <= float(v) <= numbers[-1]]
            words = f"{numbers[0]:g} to {numbers[-1]:g}"
        if unknown:
            raise InputError(f"{table.name} says nothing of {name} {unknown[0]}, only of {words}")


def row(surrogate: Surrogate) -> str:
    """Return a table's errors as a row under HEAD.

    Every distillation is left out once, with all that share it. Errors are absolute, on average, in
    points of accuracy; those of seconds are shares. Beside them stands what the recorded training
    itself is wrong by about one on another seed.
    """
    table = surrogate.table
    sharing: dict[str, list[RecordedStudent]] = {}
    for student in table.students.values():
        sharing.setdefault(prefix_key(student), []).append(student)
    pairs = [
        (one, said)
        for prefix, members in sharing.items()
        for one, said in zip(
            members,
            surrogate.answers([one.config for one in members], luck=False, without=prefix),
            strict=True,
        )
    ]
    finals = np.array([(one.accuracy, said.accuracy) for one, said in pairs])
    adapted = np.array([len(one.stages) > 1 for one, _ in pairs])
    wrong = 100 * np.abs(finals[:, 0] - finals[:, 1])
    artifacts = [
        100 * abs(one.validation[scheme] - said.validation[scheme])
        for one, said in pairs
        for scheme in table.schemes
    ]
    again = [
        100 * abs(table.students[key].accuracy - other.accuracy)
        for key, others in table.repeats.items()
        for other in others
    ]
    seconds = [abs(said.seconds / one.seconds - 1) for one, said in pairs]
    return (
        f"| {table.name} | {wrong[~adapted].mean():.1f} | {wrong[adapted].mean():.1f} "
        f"| {np.mean(artifacts):.1f} | {np.mean(again):.1f} "
        f"| {np.corrcoef(finals.T)[0, 1]:.2f} | {np.mean(seconds):.1%} |"
    )


if __name__ == "__main__":
    run_script(main)
