"""Recorded tables: every student of a grid trained once, kept in one Parquet file.

A row is a student. The file's own metadata hold, as JSON, what all rows share: the study, the cost
table, the teacher, versions, machine, commit and date.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from objectives import Evaluation
from objectives.costs import CostTable
from objectives.fronts import ReferencePoint, hypervolume, losses_of, nondominated
from search.problem import SearchProblem
from spaces import (
    DistilfrontError,
    InputError,
    StudentConfig,
    from_dict,
    student_key,
    to_dict,
)
from studies import StudyConfig, parse_stored

FORMAT = 2
"""Of the file; a reader refuses another."""

META = b"distilfront"


@dataclass(frozen=True)
class RecordedStage:
    """One stage of one student."""

    accuracies: tuple[float, ...]
    """Of the float network on the validation split, after every epoch."""
    seconds: tuple[float, ...]
    """CPU seconds of every epoch, on one thread."""


@dataclass(frozen=True)
class RecordedStudent:
    """One student, trained to its end and scored under every scheme."""

    config: StudentConfig
    stages: tuple[RecordedStage, ...]
    """As the config has them."""
    validation: Mapping[str, float]
    """Accuracy of the artifact by scheme."""
    test: Mapping[str, float]
    """Likewise, on the test split."""
    evaluation_seconds: Mapping[str, float]
    """CPU seconds of filling and scoring on the validation split, by scheme."""

    @property
    def accuracy(self) -> float:
        """Final accuracy of the float network on the validation split."""
        return self.stages[-1].accuracies[-1]

    @property
    def seconds(self) -> float:
        """CPU seconds of training it when nothing is shared."""
        return sum(sum(stage.seconds) for stage in self.stages)


@dataclass(frozen=True)
class TablePoint:
    """A student under a scheme, with the three objectives."""

    student: str
    scheme: str
    accuracy: float
    size_bytes: int
    latency_ms: float


@dataclass(frozen=True)
class Table:
    """A recorded table: whatever the study's space can make is in it."""

    config: StudyConfig
    costs: CostTable
    teacher: Mapping[str, Any]
    """`accuracy` and `test_accuracy` of the float network, `seconds` of training, and accuracy by
    scheme under `validation` and `test`: the teacher quantized directly."""
    students: Mapping[str, RecordedStudent]
    """By student key, on the study's own seed."""
    repeats: Mapping[str, tuple[RecordedStudent, ...]]
    """The same settings on other seeds, under the key that they have on the study's own."""
    validation_images: int
    meta: Mapping[str, Any]
    """Versions, machine, commit, dates."""

    @property
    def name(self) -> str:
        """The study's."""
        return self.config.name

    @property
    def schemes(self) -> tuple[str, ...]:
        """Names of the schemes of the space."""
        return self.config.search_space().schemes

    @cached_property
    def reference(self) -> ReferencePoint:
        """The accuracy floor with the teacher's size and latency."""
        cost = self.costs.of(self.costs.teacher, "fp32")
        floor = self.config.bounds.accuracy_of_teacher * float(self.teacher["accuracy"])
        return ReferencePoint(floor, cost.size_bytes, cost.latency_ms)

    @cached_property
    def outcomes(self) -> tuple[TablePoint, ...]:
        """Every student under every scheme."""
        return tuple(
            TablePoint(key, scheme, accuracy, cost.size_bytes, cost.latency_ms)
            for key, student in self.students.items()
            for scheme, accuracy in student.validation.items()
            for cost in [self.costs.of(student.config.deployed.key, scheme)]
        )

    @cached_property
    def true_hypervolume(self) -> float:
        """What a search that trains everything ends with."""
        return hypervolume(self.outcomes, self.reference, self.config.objectives)

    @cached_property
    def front(self) -> tuple[TablePoint, ...]:
        """The non-dominated points above the accuracy floor."""
        counting = [p for p in self.outcomes if p.accuracy > self.reference.accuracy_floor]
        mask = nondominated(losses_of(counting, self.config.objectives))
        return tuple(point for point, member in zip(counting, mask, strict=True) if member)

    def evaluation(
        self, network: str, scheme: str, accuracy: float, seconds: float = 0.0
    ) -> Evaluation:
        """Return a validation accuracy as the program has it; what was not recorded stands in."""
        return Evaluation(
            split="validation",
            images=self.validation_images,
            accuracy=accuracy,
            f1=accuracy,
            precision=accuracy,
            recall=accuracy,
            kl_to_teacher=0.0,
            confusion=(),
            size_bytes=self.costs.of(network, scheme).size_bytes,
            seconds=seconds,
        )

    def save(self, path: Path) -> None:
        """Write the table as one Parquet file."""
        rows = [_row(student, None) for student in self.students.values()]
        rows += [_row(student, key) for key, others in self.repeats.items() for student in others]
        shared = {
            "format": FORMAT,
            "config": self.config.to_dict(),
            "costs": to_dict(self.costs),
            "teacher": dict(self.teacher),
            "validation_images": self.validation_images,
            "meta": dict(self.meta),
        }
        table = pa.Table.from_pylist(rows)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            table.replace_schema_metadata({META: json.dumps(shared)}), path, compression="zstd"
        )


def load_table(path: Path) -> Table:
    """Return the table that `path` holds; raises InputError when it is none."""
    if not path.is_file():
        raise InputError(f"there is no table {path}: python -m benchmarks.tables.record makes one")
    table = pq.read_table(path)
    metadata = table.schema.metadata or {}
    if META not in metadata:
        raise InputError(f"{path} is not a recorded table of this project")
    shared = json.loads(metadata[META])
    if shared["format"] != FORMAT:
        raise InputError(f"{path} has format {shared['format']}, this program reads {FORMAT}")
    rows = table.to_pylist()
    return table_of(
        parse_stored(shared["config"], str(path)),
        from_dict(CostTable, shared["costs"]),
        shared["teacher"],
        [_student(row) for row in rows],
        validation_images=shared["validation_images"],
        meta=shared["meta"],
    )


def problem_of(table: Table) -> SearchProblem:
    """Return what a search on the table is given."""
    return SearchProblem(
        table.config.search_space(),
        table.costs,
        table.reference,
        table.validation_images,
        float(table.teacher["accuracy"]),
        table.config.objectives,
    )


def table_of(
    config: StudyConfig,
    costs: CostTable,
    teacher: Mapping[str, Any],
    students: Iterable[RecordedStudent],
    *,
    validation_images: int,
    meta: Mapping[str, Any],
) -> Table:
    """Return the table of `students`; those on another seed than the study's are repeats.

    Raises DistilfrontError when the space can make a student that is not there.
    """
    own: dict[str, RecordedStudent] = {}
    repeats: dict[str, list[RecordedStudent]] = {}
    for student in students:
        key = student_key(replace(student.config, seed=config.seed))
        if student.config.seed == config.seed:
            own[key] = student
        else:
            repeats.setdefault(key, []).append(student)
    space = config.search_space().students()
    missing = sum(student_key(student) not in own for student in space)
    if missing:
        raise DistilfrontError(f"{missing} students of the space of {config.name} are not recorded")
    return Table(
        config,
        costs,
        teacher,
        own,
        {key: tuple(others) for key, others in repeats.items()},
        validation_images,
        meta,
    )


def _row(student: RecordedStudent, repeat_of: str | None) -> dict[str, Any]:
    values = {**asdict(student), "config": json.dumps(to_dict(student.config), sort_keys=True)}
    return {"student": student_key(student.config), "repeat_of": repeat_of, **values}


def _student(row: Mapping[str, Any]) -> RecordedStudent:
    return RecordedStudent(
        from_dict(StudentConfig, json.loads(row["config"])),
        tuple(
            RecordedStage(tuple(stage["accuracies"]), tuple(stage["seconds"]))
            for stage in row["stages"]
        ),
        *(row[name] for name in ("validation", "test", "evaluation_seconds")),
    )
