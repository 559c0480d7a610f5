"""Every different way to answer what is asked, where what is asked depends on the answers."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

Made = TypeVar("Made")


def every_walk(make: Callable[["Walk"], Made]) -> Iterator[Made]:
    """Yield what `make` makes of every different way to answer what it asks.

    What applies depends on what was answered before, so the answers are walked like a tree.
    """
    path: list[int] = []
    while True:
        walk = Walk(path)
        yield make(walk)
        path = walk.taken
        while path and path[-1] + 1 == walk.options[len(path) - 1]:
            path.pop()
        if not path:
            return
        path[-1] += 1


class Walk:
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
