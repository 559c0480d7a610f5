"""The students that could be trained next."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from spaces import Space, StudentConfig, Value, digest, student_key
from studies.records import Failed, History

_GRID = 3000
"""A space of no more students is looked at whole."""
_DRAWN = 1500
"""Students drawn at random from a larger one, once: to draw and encode one takes 0.2 ms."""
_BEST = 5
"""Students whose neighbours, and further stages of whose first checkpoints, are looked at as well,
drawn every time."""
_AROUND = 16
"""Of each of them."""


class Candidates:
    """Proposes students of one space."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._later = tuple(f"{kind}." for kind in space.stages[1:])
        self._failures: tuple[Failed, ...] = ()
        self._failed_keys: set[str] = set()
        grid = list(islice(space.students(), _GRID + 1))
        self._whole = len(grid) <= _GRID
        draws = np.random.default_rng(seed)
        fixed = grid if self._whole else [self._student(_Draw(draws, {})) for _ in range(_DRAWN)]
        self._fixed = {student_key(student): student for student in fixed}

    def of(self, history: History) -> list[StudentConfig]:
        """Return students that neither ended, failed, run nor were stopped, each once.

        Paused ones are among them. In a space too large to be looked at whole they are drawn:
        everywhere, from the study's seed, and around the best, from how many trials there are too.
        """
        taken = _taken(history) | self.failed(history)
        found = {key: student for key, student in self._fixed.items() if key not in taken}
        if not self._whole:
            around = ((student_key(student), student) for student in self._around(history))
            found |= {key: student for key, student in around if key not in taken}
        found |= {paused.key: paused.chain.student for paused in history.waiting}
        return list(found.values())

    def failed(self, history: History) -> set[str]:
        """Return the keys of students that diverged or raised, told by their settings."""
        if history.failed != self._failures:
            nothing = np.random.default_rng(0)
            self._failures = history.failed
            self._failed_keys = {
                student_key(self._student(_Draw(nothing, failed.params)))
                for failed in history.failed_for_good
            }
        return self._failed_keys

    def _around(self, history: History) -> Iterator[StudentConfig]:
        trials = len(history.students) + len(history.pruned) + len(history.running)
        draws = np.random.default_rng(int(digest("candidates", self._seed, trials)[:12], 16))
        for best in sorted(history.students, key=lambda one: -one.accuracy)[:_BEST]:
            params = self._space.params_of(best.chain)
            first = {k: v for k, v in params.items() if not k.startswith(self._later)}
            for _ in range(_AROUND):
                yield self._student(_Draw(draws, params, redrawn=0.25))
                if self._later:
                    yield self._student(_Draw(draws, first))

    def _student(self, draw: "_Draw") -> StudentConfig:
        return self._space.suggest(draw).student


class _Draw:
    """Answers with settings to keep, but for a share of them and what is not among them."""

    def __init__(
        self, draws: np.random.Generator, kept: Mapping[str, Value], redrawn: float = 0.0
    ) -> None:
        self._draws = draws
        self._kept = kept
        self._redrawn = redrawn

    def suggest_float(
        self,
        name: str,
        low: float,
        high: float,
        *,
        step: float | None = None,
        log: bool = False,  # noqa: ARG002
    ) -> float:
        """Return what is kept, or a step between low and high."""
        size = step or 1.0
        steps = round((high - low) / size)
        return float(self._answer(name, lambda: low + size * self._draws.integers(steps + 1)))

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Return what is kept, or one of the choices."""
        return self._answer(name, lambda: choices[self._draws.integers(len(choices))])

    def _answer(self, name: str, draw: Callable[[], Any]) -> Any:
        if name in self._kept and self._draws.random() >= self._redrawn:
            return self._kept[name]
        return draw()


def _taken(history: History) -> set[str]:
    """Return the keys of students that nobody should begin."""
    waiting = {trial.key for trial in history.waiting}
    stopped = {trial.key for trial in history.pruned} - waiting
    running = {one.student for one in history.running if one.student is not None}
    return {student.key for student in history.students} | stopped | running
