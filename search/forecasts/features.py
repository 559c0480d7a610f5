"""A student's settings as numbers between 0 and 1, and the families it belongs to."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from spaces import (
    NETWORK,
    SCHEME_KEY,
    SCHEMES,
    STAGES,
    ChainConfig,
    Domain,
    Space,
    StudentConfig,
    student_key,
)

_NOT_ASKED = 0.5
"""What stands for a setting that does not apply: the setting it depends on tells that."""

_ANY_SCHEME = next(iter(SCHEMES.values()))


class Features:
    """The features of a space's students.

    Numbers count by their place among the domain's values, not by their size: steps were chosen
    to matter alike, and learning rates are hardly ever evenly spaced. A setting of words has one
    feature a word.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._columns: list[Callable[[dict[str, object]], float]] = []
        self._known: dict[StudentConfig, NDArray[np.float64]] = {}
        names: list[str] = []
        lengths: list[float] = []
        blocks: dict[str, list[int]] = {}
        alone = {NETWORK, space.stages[0]}
        for name, domain in space.searched.items():
            if name == SCHEME_KEY:
                continue
            key, *_ = space.keys[name]
            columns = _columns(name, domain)
            self._columns += columns
            if key.table in alone:
                places = range(len(lengths), len(lengths) + len(columns))
                blocks.setdefault(key.table, []).extend(places)
            names += [name] * len(columns)
            lengths += [key.declared.setting.length] * len(columns)
        self.names = tuple(names)
        """The setting that each feature tells of."""
        self.lengths = tuple(lengths)
        """Over which distance, by feature, students are assumed to stay alike."""
        self.blocks = tuple(map(tuple, blocks.values())) if len(blocks) > 1 else ()
        """Columns of the network, and of the first stage, which explain something by themselves
        (see gaussian_process); none where one of the two is settled."""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._columns)

    def of(self, student: StudentConfig) -> NDArray[np.float64]:
        """Return [count] in [0, 1]."""
        known = self._known.get(student)
        if known is None:
            chain = ChainConfig(student, _ANY_SCHEME)
            params: dict[str, object] = dict(self._space.params_of(chain))
            values = [column(params) for column in self._columns]
            known = self._known[student] = np.array(values, dtype=np.float64)
        return known

    def of_all(self, students: Sequence[StudentConfig]) -> NDArray[np.float64]:
        """Return [students, count] in [0, 1]."""
        if not students:
            return np.empty((0, self.count))
        rows = np.concatenate([self.of(student) for student in students])
        return rows.reshape(len(students), self.count)


class RandomEffects:
    """The families of a space's students, whose members share noise: see gaussian_process.

    All students made from one checkpoint are a family, for each stage that has others after it.
    And so are students of one parent whose last stage is of one kind and label.
    """

    def __init__(self, space: Space) -> None:
        self._prefixes = len(space.stages) - 1
        self.last_stages = tuple(_last_stages(space))
        """Kind and label of the stage that students of a family end with: of the last columns.
        Those before them are of the checkpoints of every stage but the last, in their order."""
        self._columns = {
            family: self._prefixes + place for place, family in enumerate(self.last_stages)
        }
        self._numbers: dict[str, float] = {}
        self._known: dict[StudentConfig, NDArray[np.float64]] = {}
        self.variances = (
            *(STAGES[kind].prior.checkpoint for kind in space.stages[:-1]),
            *(_variance(kind, label) for kind, label in self._columns),
        )
        """Of the noise that members of a family share, by column: what is assumed at first."""

    def of(self, students: Sequence[StudentConfig]) -> NDArray[np.float64]:
        """Return [students, columns] numbers of families, NaN where a student is of none."""
        if not students:
            return np.empty((0, len(self.variances)))
        rows = np.concatenate([self._of(student) for student in students])
        return rows.reshape(len(students), len(self.variances))

    def _of(self, student: StudentConfig) -> NDArray[np.float64]:
        row = self._known.get(student)
        if row is None:
            row = self._known[student] = np.full(len(self.variances), np.nan)
            keys, last = map(student_key, student.prefixes), student.stages[-1]
            numbers = [self._numbers.setdefault(key, float(len(self._numbers))) for key in keys]
            shared = numbers[: self._prefixes]
            row[: len(shared)] = shared
            row[self._columns[last.kind, last.label]] = numbers[max(0, len(numbers) - 2)]
        return row


def _last_stages(space: Space) -> Iterator[tuple[str, str]]:
    """Yield kind and label of every stage that a student can end with."""
    for kind in space.stages:
        for label in space.labels(kind):
            yield kind, label


def _variance(kind: str, label: str) -> float:
    prior = STAGES[kind].prior
    return prior.families.get(label, prior.family)


def _is(name: str, word: object) -> Callable[[dict[str, object]], float]:
    return lambda params: float(params.get(name) == word)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float)


def _columns(name: str, domain: Domain) -> list[Callable[[dict[str, object]], float]]:
    values = domain.values
    if any(isinstance(value, str) for value in values):
        return [_is(name, word) for word in values]
    ordered = sorted(float(value) for value in values)
    places = np.linspace(0, 1, len(ordered))

    def place(params: dict[str, object]) -> float:
        # A prefix leaves stages out though the domain may not: it counts as the nearest value.
        value = params.get(name)
        return float(np.interp(value, ordered, places)) if _is_number(value) else _NOT_ASKED

    return [place]
