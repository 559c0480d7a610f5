"""The oracle: a search that knows the table and trains only what the true front needs.

It is greedy: the next student is the one whose points on the true front add the most hypervolume
per second of what is still to be trained and evaluated for it. A distillation that was trained for
an earlier student costs nothing again, and only the schemes on the front are evaluated.

Greedy is not the least compute there is (that is a knapsack over shared prefixes): the oracle's
compute is an upper bound of the true minimum, so a distance to it can be smaller than the distance
to the minimum, never larger. It is also no bound for a search that reaches a share with points off
the true front, which the oracle never trains.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.tables.recorded import RecordedStudent, Table, TablePoint
from objectives.fronts import hypervolume
from spaces import student_key

_NOTHING = 1e-12
"""Hypervolume that only rounding adds."""


@dataclass(frozen=True)
class OracleStep:
    """The hypervolume after one more point, and the compute spent by then."""

    compute_s: float
    hypervolume: float
    student: str
    scheme: str


@dataclass(frozen=True)
class _Need:
    """A student that the front needs."""

    key: str
    prefix: str
    """Key of its distillation, which other students may share."""
    distill_s: float
    adapt_s: float
    points: tuple[TablePoint, ...]
    """Its points on the true front."""
    evaluation_s: Mapping[str, float]

    def seconds(self, trained: Iterable[str]) -> float:
        """Return what is left to spend on it when the distillations `trained` are there."""
        evaluation = sum(self.evaluation_s[point.scheme] for point in self.points)
        distill = 0.0 if self.prefix in trained else self.distill_s
        return distill + self.adapt_s + evaluation


def oracle(table: Table) -> tuple[OracleStep, ...]:
    """Return every step in which the oracle's hypervolume grows; the last has the table's own."""
    needs = _needs(table)
    trained: set[str] = set()
    found: list[TablePoint] = []
    steps: list[OracleStep] = []
    compute_s = worth = 0.0
    while needs:
        rates = [
            (_worth([*found, *need.points], table) - worth) / need.seconds(trained)
            for need in needs
        ]
        best = max(range(len(needs)), key=rates.__getitem__)
        if rates[best] * needs[best].seconds(trained) <= _NOTHING:
            break
        need = needs.pop(best)
        compute_s += need.adapt_s + (0.0 if need.prefix in trained else need.distill_s)
        trained.add(need.prefix)
        for point in _by_gain(need, found, table):
            compute_s += need.evaluation_s[point.scheme]
            found.append(point)
            grown = _worth(found, table)
            if grown > worth + _NOTHING:
                steps.append(OracleStep(compute_s, grown, need.key, point.scheme))
                worth = grown
    return tuple(steps)


def compute_to(share: float, steps: Sequence[OracleStep], table: Table) -> float:
    """Return the oracle's compute until it has this share of the true hypervolume."""
    wanted = share * table.true_hypervolume - _NOTHING
    return next((step.compute_s for step in steps if step.hypervolume >= wanted), math.inf)


def position(compute_s: float, random_s: float, oracle_s: float) -> float:
    """Return where `compute_s` lies between random (0) and the oracle (1), by its logarithm.

    Negative for what is slower than random; NaN when random is as fast as the oracle.
    """
    way = math.log(random_s) - math.log(oracle_s)
    return (math.log(random_s) - math.log(compute_s)) / way if way else math.nan


def prefix_key(student: RecordedStudent) -> str:
    """Return the key of a student's distillation: that of the student after its first stage."""
    return student_key(student.config.prefix(1))


def whole_table_s(table: Table) -> float:
    """Return the compute of the whole table, without its further seeds."""
    return compute_of(table.students.values())


def compute_of(students: Iterable[RecordedStudent]) -> float:
    """Return the seconds of `students`: every stage once and every scheme of every student."""
    students = list(students)
    stages = {
        student_key(prefix): stage
        for student in students
        for prefix, stage in zip(student.config.prefixes, student.stages, strict=True)
    }
    seconds = sum(sum(stage.seconds) for stage in stages.values())
    return seconds + sum(sum(student.evaluation_seconds.values()) for student in students)


def _needs(table: Table) -> list[_Need]:
    points: dict[str, list[TablePoint]] = {}
    for point in table.front:
        points.setdefault(point.student, []).append(point)
    return [
        _Need(
            key,
            prefix_key(student),
            sum(student.stages[0].seconds),
            sum(sum(stage.seconds) for stage in student.stages[1:]),
            tuple(its),
            student.evaluation_seconds,
        )
        for key, its in points.items()
        for student in [table.students[key]]
    ]


def _by_gain(need: _Need, found: Sequence[TablePoint], table: Table) -> list[TablePoint]:
    """Return the points of a student in the order of their own gain per second."""
    before = _worth(found, table)

    def rate(point: TablePoint) -> float:
        return (_worth([*found, point], table) - before) / need.evaluation_s[point.scheme]

    return sorted(need.points, key=rate, reverse=True)


def _worth(points: Sequence[TablePoint], table: Table) -> float:
    return hypervolume(points, table.reference, table.config.objectives)
