"""Every student of a space, one after the other: for grids, not for spaces of any size."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from spaces.chain_config import StudentConfig
from spaces.domains import Choice
from spaces.space import Settled, Space, suggest


def every_student(space: Space, settled: Settled) -> Iterator[StudentConfig]:
    """Yield every student that `suggest` can make, each once; the settings asked last vary first.

    What applies depends on what was answered before, so the answers are walked like a tree.
    """
    one_scheme = replace(space, scheme=Choice(space.scheme.values[:1]))
    path: list[int] = []
    while True:
        walk = _Walk(path)
        yield suggest(walk, one_scheme, settled).student
        path = walk.taken
        while path and path[-1] + 1 == walk.options[len(path) - 1]:
            path.pop()
        if not path:
            return
        path[-1] += 1


class _Walk:
    """Answers as a path says, and with the first value of everything beyond its end."""

    def __init__(self, path: list[int]) -> None:
        self._path = path
        self.taken: list[int] = []
        self.options: list[int] = []

    def suggest_float(
        self,
        name: str,  # noqa: ARG002
        low: float,
        high: float,
        *,
        step: float | None = None,
        log: bool = False,  # noqa: ARG002
    ) -> float:
        """Return low plus as many steps as the path says."""
        size = step or 1.0
        return low + size * self._turn(1 + round((high - low) / size))

    def suggest_categorical(self, name: str, choices: Any) -> Any:  # noqa: ARG002
        """Return the choice that the path says."""
        return choices[self._turn(len(choices))]

    def _turn(self, options: int) -> int:
        depth = len(self.taken)
        turn = self._path[depth] if depth < len(self._path) else 0
        self.taken.append(turn)
        self.options.append(options)
        return turn
