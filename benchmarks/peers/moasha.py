"""Syne Tune's MOASHA as a pruner of our loop: its own scheduler decides, as it is or mended."""

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.layers import layers
from benchmarks.peers.reasons import PeerReason
from benchmarks.peers.runs import Run, Runs
from objectives.costs import CostTable
from objectives.fronts import OBJECTIVES, Losses
from search.stopping import GoOn, Stop, StudentInTraining
from spaces import InputError, UnknownNameError

Ranking = Literal["as_it_is", "positions", "layers"]
"""How a rung's results are ranked. `as_it_is`: by Syne Tune 0.16, faulty. `positions`: that, mended
as it is meant: by nondominated layer and within it by the epsilon-net. `layers`: by layer only,
so that no newcomer that is nondominated at its rung is ever stopped."""

# The fault: `NonDominatedPriority.priority_unsafe` returns `nondominated_sort(...)`, the *indices*
# of the rung's results from best to worst, while `Bracket.on_result` takes element i for the
# priority of result i (`ranks = np.searchsorted(sorted(priorities), priorities)`). The newcomer is
# the last result, so what it is judged by is which earlier result is the rung's worst. With one
# layer alone it comes right, as `compute_epsilon_net` returns places where an order is meant, and
# the two mistakes cancel each other. The scheduler takes the ranking as an argument, so the mended
# ones below are handed to it and the rest of its code runs unchanged.


class MOASHAPruner:
    """Multi-objective asynchronous successive halving (Schmucker et al. 2021, arXiv 2106.12639).

    Judged are the error, and size and latency under the chain's own scheme, at the rungs
    grace_epochs * reduction_factor^k. One instance serves one study and all its workers.
    """

    def __init__(
        self,
        costs: CostTable,
        *,
        max_epochs: int,
        ranking: Ranking = "as_it_is",
        grace_epochs: int = 1,
        reduction_factor: float = 3,
        objectives: Sequence[str] = OBJECTIVES,
    ) -> None:
        """Begin; max_epochs are those of the longest student, which the scheduler never cuts.

        The other defaults are Syne Tune's. Raises InputError where it is not installed.
        """
        if ranking not in get_args(Ranking):
            raise UnknownNameError("ranking", ranking, get_args(Ranking))
        self._syne = require_syne_tune()
        self._table = costs
        self._objectives = tuple(objectives)
        self._ranking = ranking
        self._scheduler = self._syne.moasha.MOASHA(
            config_space={},
            metrics=list(objectives),
            time_attr="epoch",
            multiobjective_priority=self._priority(),
            max_t=max_epochs,
            grace_period=grace_epochs,
            reduction_factor=reduction_factor,
            random_seed=0,
        )
        self._max_epochs = max_epochs
        self._runs = Runs()
        self._trials: dict[int, Any] = {}
        self._costs: dict[int, dict[str, float]] = {}

    def rule(self, student: StudentInTraining) -> GoOn | Stop:
        """Rule on a student in training; see search.stopping.Pruner."""
        history, chain, curve = student.history, student.chain, student.curve
        if chain.student.total_epochs > self._max_epochs:
            raise InputError(
                f"MOASHA was begun for students of at most {self._max_epochs} epochs, "
                f"got one of {chain.student.total_epochs}"
            )
        for run, ended in self._runs.newly_ended(history):
            for epoch, accuracy in run.news(ended.curve[:-1]):
                self._told(run, epoch, accuracy)
            result = self._result(run, len(ended.curve), ended.accuracy)
            self._scheduler.on_trial_complete(self._trial(run), result)
            self._forget(run)
        run = self._runs.at(chain, curve)
        for epoch, accuracy in run.news(curve):
            if self._told(run, epoch, accuracy) == "STOP":
                self._scheduler.on_trial_remove(self._trial(run))
                self._forget(run)
                self._runs.close(run)
                return Stop(PeerReason(f"Syne Tune's MOASHA ({self._ranking})", epoch, accuracy))
        return GoOn()

    def _told(self, run: Run, epoch: int, accuracy: float) -> str:
        result = self._result(run, epoch, accuracy)
        decision: str = self._scheduler.on_trial_result(self._trial(run), result)
        return decision

    def _result(self, run: Run, epoch: int, accuracy: float) -> dict[str, float]:
        if run.number not in self._costs:
            chain = run.chain
            cost = self._table.of(chain.student.deployed.key, chain.scheme.name)
            known = {"size_bytes": cost.size_bytes, "latency_ms": cost.latency_ms}
            self._costs[run.number] = {
                name: value for name, value in known.items() if name in self._objectives
            }
        # The scheduler has one direction for all metrics: what is minimised is the error.
        return {"epoch": epoch, "accuracy": 1 - accuracy, **self._costs[run.number]}

    def _trial(self, run: Run) -> Any:
        if run.number not in self._trials:
            trial = self._syne.trial_status.Trial(run.number, {}, datetime.now(UTC))
            with _global_generator_kept():
                self._scheduler.on_trial_add(trial)
            self._trials[run.number] = trial
        return self._trials[run.number]

    def _forget(self, run: Run) -> None:
        del self._trials[run.number], self._costs[run.number]

    def _priority(self) -> Callable[[Losses], NDArray[np.int_]] | None:
        if self._ranking == "as_it_is":
            return None
        return layers if self._ranking == "layers" else self._positions

    def _positions(self, losses: Losses) -> NDArray[np.int_]:
        """Return [results], the place of each in the order that the sort means, best 0."""
        places = np.empty(len(losses), dtype=np.int_)
        numbers, begin = layers(losses), 0
        for layer in range(numbers.max() + 1):
            members = np.flatnonzero(numbers == layer)
            net = self._syne.non_dominated_priority.compute_epsilon_net(losses[members], dim=0)
            places[members] = begin + net
            begin += len(members)
        return places


class _SyneTune:
    """The modules of Syne Tune that are used here."""

    def __init__(self) -> None:
        multiobjective = "syne_tune.optimizer.schedulers.multiobjective"
        self.moasha: Any = importlib.import_module(f"{multiobjective}.moasha")
        self.non_dominated_priority: Any = importlib.import_module(
            f"{multiobjective}.non_dominated_priority"
        )
        self.trial_status: Any = importlib.import_module("syne_tune.backend.trial_status")


def require_syne_tune() -> _SyneTune:
    """Return what of Syne Tune is used; raises InputError where it is not installed."""
    try:
        return _SyneTune()
    except ImportError as error:
        raise InputError(
            f"MOASHA needs Syne Tune, which is not there ({error}): "
            "pip install 'distilfront[bench]'"
        ) from error


@contextmanager
def _global_generator_kept() -> Iterator[None]:
    """Put NumPy's global generator back: the scheduler draws its bracket, here of one, from it."""
    state = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
