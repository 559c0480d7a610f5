"""A student's settings as numbers between 0 and 1, for the surrogate."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, TypeGuard, get_args

import numpy as np
from numpy.typing import NDArray

from search.forecasts.learning_curves import checkpoint_key
from spaces import (
    SCHEMES,
    ChainConfig,
    Domain,
    LoRA,
    Space,
    StudentConfig,
    TargetLayers,
    domains,
    params_of,
)

_NOT_ASKED = 0.5
"""What stands for a setting that does not apply: the setting it depends on tells that."""

_LENGTHS = {"learning_rate": 0.5, "width": 0.8, "lora_targets": 1.5, "lora": 5.0}
"""The learning rate decides most, an adapter's numbers least."""

_BLOCKS = {
    "width": "network",
    "alpha": "recipe",
    "temperature": "recipe",
    "learning_rate": "recipe",
}
"""What explains something by itself: see search.forecasts.gaussian_process."""

_ANY_SCHEME = next(iter(SCHEMES.values()))


class Features:
    """The features of a space's students.

    Numbers count by their place among the domain's values, not by their size: steps were chosen
    to matter alike, and learning rates are hardly ever evenly spaced. A setting of words has one
    feature a word.
    """

    def __init__(self, space: Space) -> None:
        self._columns: list[Callable[[dict[str, object]], float]] = []
        self._known: dict[StudentConfig, NDArray[np.float64]] = {}
        names: list[str] = []
        lengths: list[float] = []
        blocks: dict[str, list[int]] = {}
        for name, domain in domains(space).items():
            if name != "scheme" and len(domain.values) > 1:
                columns = _columns(name, domain)
                self._columns += columns
                kind = "lora" if name.startswith("lora_") else name
                block = _BLOCKS.get(kind)
                if block is not None:
                    places = range(len(lengths), len(lengths) + len(columns))
                    blocks.setdefault(block, []).extend(places)
                names += [name] * len(columns)
                lengths += [_LENGTHS.get(name, _LENGTHS.get(kind, 1.3))] * len(columns)
        self.names = tuple(names)
        """The setting that each feature tells of."""
        self.lengths = tuple(lengths)
        """Over which distance, by feature, students are assumed to stay alike."""
        self.blocks = tuple(map(tuple, blocks.values())) if len(blocks) > 1 else ()
        """Columns of the network, and of the recipe it is distilled by; none where one of the two
        is settled."""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._columns)

    def of(self, student: StudentConfig) -> NDArray[np.float64]:
        """Return [count] in [0, 1]."""
        known = self._known.get(student)
        if known is None:
            params: dict[str, object] = dict(params_of(ChainConfig(student, _ANY_SCHEME)))
            values = [column(params) for column in self._columns]
            known = self._known[student] = np.array(values, dtype=np.float64)
        return known

    def of_all(self, students: Sequence[StudentConfig]) -> NDArray[np.float64]:
        """Return [students, count] in [0, 1]."""
        if not students:
            return np.empty((0, self.count))
        rows = np.concatenate([self.of(student) for student in students])
        return rows.reshape(len(students), self.count)


class Families:
    """Numbers the families of one history, whose students share a luck: see gaussian_process.

    All students of a distilled checkpoint are one; those of them that are not adapted are one; and
    so are, for each choice of layers, those that are adapted there.
    """

    kinds: Final = ("checkpoint", "none", *get_args(TargetLayers))

    def __init__(self) -> None:
        self._numbers: dict[str, float] = {}

    def of(self, students: Sequence[StudentConfig]) -> NDArray[np.float64]:
        """Return [students, kinds] numbers, NaN where a student is of no family."""
        numbers, kinds = [], []
        for checkpoint, kind in map(_family, students):
            numbers.append(self._numbers.setdefault(checkpoint, float(len(self._numbers))))
            kinds.append(kind)
        rows = np.full((len(students), len(self.kinds)), np.nan)
        rows[:, 0] = rows[np.arange(len(students)), kinds] = numbers
        return rows


@lru_cache(maxsize=2**16)
def _family(student: StudentConfig) -> tuple[str, int]:
    """Return the checkpoint that `student` is made from, and the place of its other kind."""
    adaptation = student.adaptation
    adapted = adaptation.targets if isinstance(adaptation, LoRA) else "none"
    return checkpoint_key(student), Families.kinds.index(adapted)


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
        # A checkpoint's rank 0 need not be a value of the domain: it counts as the nearest.
        value = params.get(name)
        return float(np.interp(value, ordered, places)) if _is_number(value) else _NOT_ASKED

    return [place]
