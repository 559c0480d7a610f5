"""What a table would say of students between its own: a surrogate, and how far it errs.

    python -m benchmarks.tables.off_grid benchmarks/tables/*.parquet
    python -m benchmarks.tables.off_grid benchmarks/tables/cifar10_wide.parquet --out FILE.parquet \
        --set 'space.temperature={low=2, high=8, step=1}' [--set KEY=VALUE ...] [--smooth]

Prints the error on students that the surrogate has not seen. `--out` writes the table of a wider
space, which the scripts of benchmarks.replay take as any other: recorded students are as they were,
the surrogate answers for the rest. `--set` changes the study file beside the table.
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.script import run_script
from benchmarks.tables.oracle_search import prefix_key
from benchmarks.tables.recorded import RecordedStage, RecordedStudent, Table, load_table, table_of
from benchmarks.tables.regression import Regression
from search.forecasts import accuracy_of, checkpoint_key, log_error
from spaces import (
    Distillation,
    InputError,
    LoRA,
    StudentConfig,
    domains,
    every_student,
    student_key,
)
from studies import StudyConfig, load_study

Floats = NDArray[np.float64]

BETWEEN = ("alpha", "temperature", "learning_rate", "lora_rank")
"""Settings that may lie anywhere between recorded ones; the others must have been recorded."""

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


def widened(surrogate: "Surrogate", config: StudyConfig, *, luck: bool = True) -> Table:
    """Return the table of the space of `config`, answered by the surrogate where not recorded.

    luck: students differ from what their settings say as much as recorded ones do. Raises
    InputError when more than the space differs, or the space reaches beyond what was recorded.
    """
    table = surrogate.table
    if _beside_space(config) != _beside_space(table.config):
        raise InputError(f"{config.name} differs from {table.name} in more than its space")
    _check(table, config)
    asked = [
        student
        for student in every_student(config.search_space(), config.settled())
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


def _check(table: Table, config: StudyConfig) -> None:
    """Raise InputError when the space of `config` has a value that `table` says nothing of."""
    asked = domains(config.search_space())
    for name, domain in domains(table.config.search_space()).items():
        unknown = [value for value in asked[name].values if value not in domain.values]
        words = ", ".join(map(str, domain.values))
        if name in BETWEEN:
            # To have no adapter lies beside all ranks, and not below the least.
            numbers = sorted(float(v) for v in domain.values if name != "lora_rank" or v != 0)
            unknown = [v for v in unknown if not numbers[0] <= float(v) <= numbers[-1]]
            words = f"{numbers[0]:g} to {numbers[-1]:g}"
        if unknown:
            raise InputError(f"{table.name} says nothing of {name} {unknown[0]}, only of {words}")


class Surrogate:
    """Answers for students that a table has not, by three regressions over settings.

    They are of the log errors of distilling; of how adapting changes the last of these, given it;
    and of how every scheme changes the last of all, given that. Log seconds go along.
    """

    def __init__(self, table: Table) -> None:
        """Fit to the students of `table` on its own seed."""
        self.table = table
        students = list(table.students.values())
        self._targets = sorted({name for one in students for name in _targets(one.config)})
        first = {prefix_key(one): one for one in students}
        self._recorded = {prefix: one.distill for prefix, one in first.items()}
        adapted = [one for one in students if one.adapt]
        self._distil = Regression(
            [self._recipe(one.config) for one in first.values()],
            [self._row(one.distill) for one in first.values()],
            list(first),
        )
        self._adapt = (
            Regression(
                [self._given(one.config, one.distill) for one in adapted],
                [self._row(one.adapt, one.distill) for one in adapted],
                [prefix_key(one) for one in adapted],
            )
            if adapted
            else None
        )
        self._score = Regression(
            [self._given(one.config, one.adapt or one.distill) for one in students],
            [self._score_row(one) for one in students],
            [prefix_key(one) for one in students],
        )

    def answers(
        self, configs: Sequence[StudentConfig], *, luck: bool, without: str | None = None
    ) -> list[RecordedStudent]:
        """Return what becomes of `configs`; a recorded distillation is as it was.

        luck: add what was not foreseen of a recorded student, drawn by the settings. without: key
        of a distillation that is unknown, and with it all students that share it.
        """

        def foreseen(
            regression: Regression, names: Sequence[str], features: Sequence[list[float]]
        ) -> Floats:
            rows = regression.predict(features, without)
            return rows + regression.luck(names) if luck else rows

        keys = [student_key(config) for config in configs]
        prefixes = [checkpoint_key(config) for config in configs]
        first = dict(zip(prefixes, configs, strict=True))
        rows = foreseen(self._distil, list(first), [self._recipe(one) for one in first.values()])
        distills = {key: self._stage(row) for key, row in zip(first, rows, strict=True)}
        distills |= {
            key: self._recorded[key] for key in first if key in self._recorded and key != without
        }
        ends = [distills[prefix] for prefix in prefixes]
        adapting = [i for i, config in enumerate(configs) if isinstance(config.adaptation, LoRA)]
        adapts: dict[int, RecordedStage] = {}
        if self._adapt and adapting:
            given = [self._given(configs[i], ends[i]) for i in adapting]
            rows = foreseen(self._adapt, [keys[i] for i in adapting], given)
            adapts = {i: self._stage(row, ends[i]) for i, row in zip(adapting, rows, strict=True)}
        ends = [adapts.get(i, distill) for i, distill in enumerate(ends)]
        given = [self._given(config, end) for config, end in zip(configs, ends, strict=True)]
        rows = foreseen(self._score, keys, given)
        return [
            RecordedStudent(
                config, distills[prefix], adapts.get(i), *self._scores(rows[i], ends[i])
            )
            for i, (config, prefix) in enumerate(zip(configs, prefixes, strict=True))
        ]

    def _recipe(self, config: StudentConfig) -> list[float]:
        """Return what distilling depends on; without the teacher there is no temperature."""
        method = config.method
        softening = math.log(method.temperature) if isinstance(method, Distillation) else 0.0
        return [
            math.log(config.architecture.width),
            math.log(config.schedule.learning_rate),
            method.alpha,
            method.alpha * softening,
        ]

    def _given(self, config: StudentConfig, end: RecordedStage) -> list[float]:
        """Return what depends on all settings and on where the stage before ended."""
        adapter = [0.0] * (4 + len(self._targets))
        if isinstance(lora := config.adaptation, LoRA):
            adapter = [
                math.log(1 + lora.rank),
                math.log(lora.lora_alpha),
                lora.dropout,
                math.log(lora.schedule.learning_rate),
                *(float(lora.targets == name) for name in self._targets),
            ]
        return [*self._recipe(config), *adapter, self._log_error(end.accuracies[-1])]

    def _row(self, stage: RecordedStage | None, before: RecordedStage | None = None) -> Floats:
        """Return a stage's log errors, less the last one before it, and its log seconds."""
        assert stage is not None
        start = self._log_error(before.accuracies[-1]) if before else 0.0
        changes = [self._log_error(accuracy) - start for accuracy in stage.accuracies]
        return np.concatenate([changes, np.log(stage.seconds)])

    def _stage(self, row: Floats, before: RecordedStage | None = None) -> RecordedStage:
        """Return the stage of a row."""
        start = self._log_error(before.accuracies[-1]) if before else 0.0
        changes, seconds = np.split(row, 2)
        return RecordedStage(
            tuple(self._accuracy(start + change) for change in changes),
            tuple(np.exp(seconds).tolist()),
        )

    def _score_row(self, student: RecordedStudent) -> Floats:
        """Return by scheme the changes of the log error on both splits, and log seconds."""
        end = self._log_error(student.accuracy)
        changes = [
            self._log_error(split[scheme]) - end
            for split in (student.validation, student.test)
            for scheme in self.table.schemes
        ]
        seconds = [math.log(student.evaluation_seconds[scheme]) for scheme in self.table.schemes]
        return np.array([*changes, *seconds])

    def _scores(self, row: Floats, end: RecordedStage) -> tuple[dict[str, float], ...]:
        """Return validation, test and seconds by scheme."""
        start, schemes = self._log_error(end.accuracies[-1]), self.table.schemes
        validation, test, seconds = (
            dict(zip(schemes, part, strict=True)) for part in np.split(row, 3)
        )
        return (
            {name: self._accuracy(start + change) for name, change in validation.items()},
            {name: self._accuracy(start + change) for name, change in test.items()},
            {name: math.exp(log) for name, log in seconds.items()},
        )

    def _log_error(self, accuracy: float) -> float:
        return log_error(accuracy, self.table.validation_images)

    def _accuracy(self, log: float) -> float:
        """Return a share of whole images."""
        images = self.table.validation_images
        return max(0, round(images * accuracy_of(log, images))) / images


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
    adapted = np.array([one.adapt is not None for one, _ in pairs])
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


def _targets(config: StudentConfig) -> tuple[str, ...]:
    return (config.adaptation.targets,) if isinstance(config.adaptation, LoRA) else ()


if __name__ == "__main__":
    run_script(main)
