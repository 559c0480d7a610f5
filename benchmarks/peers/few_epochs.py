"""Train all for a fixed few epochs, then finish the best: what most early stopping must beat."""

from collections.abc import Sequence

import numpy as np

from benchmarks.peers.layers import layers
from benchmarks.peers.reasons import PeerReason
from objectives.costs import CostTable
from objectives.fronts import OBJECTIVES
from search.stopping import GoOn, Pause, StudentInTraining
from spaces import ChainConfig, InputError, student_key
from studies.records import History, Paused


class PauseAfterFewEpochs:
    """Pauses every student at its `epochs`-th epoch; a resumed one runs to its end.

    A student whose first epochs came from the cache is paused at its first new epoch from there.
    """

    def __init__(self, epochs: int) -> None:
        if epochs < 1:
            raise InputError(f"a student can be paused after 1 epoch or more, got {epochs}")
        self._epochs = epochs

    def rule(self, student: StudentInTraining) -> GoOn | Pause:
        """Rule on a student in training; see search.stopping.Pruner."""
        history, chain, curve = student.history, student.chain, student.curve
        if len(curve) < self._epochs or _is_resumed(history, chain):
            return GoOn()
        name = f"the rule of {self._epochs} epochs for all"
        return Pause(PeerReason(name, len(curve), curve[-1][1]))


def _is_resumed(history: History, chain: ChainConfig) -> bool:
    resumed = [trial for trial in history.running if trial.resumes is not None]
    return bool(resumed) and student_key(chain.student) in {trial.student for trial in resumed}


class FinishTheBest:
    """Resumes the best paused students, one after the other, when all have had their few epochs.

    The order is by successive nondominated layers of (accuracy at the pause, size and latency
    under its own scheme) over all that were ever paused, in a layer by accuracy, then by trial.
    """

    def __init__(
        self, finish: int, costs: CostTable, *, objectives: Sequence[str] = OBJECTIVES
    ) -> None:
        if finish < 1:
            raise InputError(f"the number of students to finish must be at least 1, got {finish}")
        self._finish = finish
        self._costs = costs
        self._objectives = tuple(objectives)

    def resumption(self, history: History, *, new_allowed: bool) -> Paused | None:
        """Return the best one that waits, or None; see search.strategy.scheduler.Scheduler.

        None too while a student is still in its first few epochs: it may be among the best. That
        is why a worker told None has to ask again as long as something runs.
        """
        if new_allowed or any(trial.resumes is None for trial in history.running):
            return None
        # Resumed ones keep their place, or the next layer would move up into it.
        ever = {trial.key: trial for trial in history.paused}
        waiting = {trial.number for trial in history.waiting}
        chosen = self._ordered(list(ever.values()))[: self._finish]
        return next((trial for trial in chosen if trial.number in waiting), None)

    def _ordered(self, paused: Sequence[Paused]) -> list[Paused]:
        if not paused:
            return []
        layer = layers(np.array([self._losses(trial) for trial in paused])).tolist()
        by_worth = sorted(
            zip(paused, layer, strict=True),
            key=lambda placed: (placed[1], -placed[0].curve[-1][1], placed[0].number),
        )
        return [trial for trial, _ in by_worth]

    def _losses(self, trial: Paused) -> list[float]:
        chain = trial.chain
        cost = self._costs.of(chain.student.deployed.key, chain.scheme.name)
        known = {
            "accuracy": 1 - trial.curve[-1][1],
            "size_bytes": float(cost.size_bytes),
            "latency_ms": cost.latency_ms,
        }
        return [known[name] for name in self._objectives]
