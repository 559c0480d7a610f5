"""Which of a study's trainings a ruling is asked for: peers know trials, a ruling has a chain."""

from collections.abc import Iterator
from dataclasses import dataclass

from search.stopping import Curve
from spaces import ChainConfig
from studies.records import History, Student


@dataclass
class Run:
    """One training of a chain, as a peer's trial."""

    number: int
    chain: ChainConfig
    told: int = 0
    """Epochs that the peer has been told of."""

    def news(self, curve: Curve) -> Iterator[tuple[int, float]]:
        """Yield (epoch, accuracy) of each epoch not told yet, epochs from 1; marks them told."""
        while self.told < len(curve):
            accuracy = curve[self.told][1]
            self.told += 1
            yield self.told, accuracy


class Runs:
    """The runs of one study, whose rulings, of all its workers, are asked of one pruner.

    A peer sees a trial's own scheme only, so a run belongs to a chain, not to a student. A chain
    sampled again is another run; that it began again is seen by its curve, which is not longer.
    """

    def __init__(self) -> None:
        self._open: dict[ChainConfig, Run] = {}
        self._ended: set[int] = set()
        self._begun = 0

    def at(self, chain: ChainConfig, curve: Curve) -> Run:
        """Return the run of `chain` that has come as far as `curve`: the open one or a new one."""
        run = self._open.get(chain)
        if run is None or run.told >= len(curve):
            run = self._open[chain] = self._new(chain)
        return run

    def close(self, run: Run) -> None:
        """Take out a run that was stopped."""
        del self._open[run.chain]

    def newly_ended(self, history: History) -> Iterator[tuple[Run, Student]]:
        """Yield each student that has ended since this was asked last, with its run, closed.

        One that no ruling was asked for (all of it came from the cache) gets a run of its own.
        """
        if len(history.students) == len(self._ended):
            return
        for student in history.students:
            if student.number not in self._ended:
                self._ended.add(student.number)
                chain = student.chain
                run = self._open.pop(chain) if chain in self._open else self._new(chain)
                yield run, student

    def _new(self, chain: ChainConfig) -> Run:
        self._begun += 1
        return Run(self._begun - 1, chain)
