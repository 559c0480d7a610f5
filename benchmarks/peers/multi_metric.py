"""OptunaHub's MultiMetricPruner as a pruner of our loop: its own code ranks and decides."""

import importlib.util
import itertools
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from benchmarks.peers.reasons import PeerReason
from benchmarks.peers.runs import Run, Runs
from objectives.costs import CostTable
from objectives.fronts import OBJECTIVES
from search.stopping import Curve, GoOn, Stop, StudentInTraining
from spaces import InputError

PACKAGE = Path("package", "pruners", "multi_metric_pruner")
"""Where the pruner lies in a registry folder, a checkout of OptunaHub's registry."""

_numbers = itertools.count()


class MultiMetricPruner:
    """Ranks a student by Pareto dominance among all at its epoch, and stops it by the ranks.

    Judged are the accuracy, and size and latency under the chain's own scheme. Each run is a trial
    of an in-memory Optuna study. One instance serves one study and all its workers.
    """

    def __init__(
        self,
        registry: Path,
        costs: CostTable,
        *,
        base: optuna.pruners.BasePruner | None = None,
        objectives: Sequence[str] = OBJECTIVES,
        quick: bool = True,
    ) -> None:
        """Begin with the pruner in the folder `registry`; InputError when it is not there.

        base: what decides by the ranks, by default the median pruner of its own example.
        quick: spare it the Optuna study that it builds at every decision, and the ranking of
        results that it has ranked before. That changes no decision, only the time they take; it is
        done for percentile pruners, of which the median pruner is one.
        """
        base = base or optuna.pruners.MedianPruner(n_startup_trials=3)
        quick = quick and isinstance(base, optuna.pruners.PercentilePruner)
        self._module = multi_metric_module(registry, quick=quick)
        self._objectives = tuple(objectives)
        directions = {name: "maximize" if name == "accuracy" else "minimize" for name in objectives}
        pruner = self._module.MultiMetricPruner(
            base,
            metric_directions=directions,
            joint=True,
        )
        self._study = optuna.create_study(
            directions=[
                optuna.study.StudyDirection[direction.upper()] for direction in directions.values()
            ],
            pruner=pruner,
            sampler=optuna.samplers.RandomSampler(seed=0),  # Nothing is sampled.
        )
        self._runs = Runs()
        self._table = costs
        self._trials: dict[int, Any] = {}
        self._costs: dict[int, dict[str, float]] = {}

    def rule(self, student: StudentInTraining) -> GoOn | Stop:
        """Rule on a student in training; see search.stopping.Pruner.

        Epochs that came from the cache are reported, and the question is asked once, after them.
        """
        history, chain, curve = student.history, student.chain, student.curve
        for run, ended in self._runs.newly_ended(history):
            self._report(run, ended.curve)
            self._end(run, [1.0] * len(self._objectives))  # It looks at what was reported only.
        run = self._runs.at(chain, curve)
        trial = self._report(run, curve)
        if not trial.should_prune():
            return GoOn()
        self._runs.close(run)
        self._end(run, None)
        return Stop(PeerReason("OptunaHub's MultiMetricPruner", len(curve), curve[-1][1]))

    def _report(self, run: Run, curve: Curve) -> Any:
        """Report what `run` has not reported of `curve`; return its trial."""
        if run.number not in self._trials:
            chain = run.chain
            cost = self._table.of(chain.student.deployed.key, chain.scheme.name)
            self._trials[run.number] = self._module.MultiMetricPrunerTrial(self._study.ask())
            self._costs[run.number] = {
                "size_bytes": cost.size_bytes,
                "latency_ms": cost.latency_ms,
            }
        trial = self._trials[run.number]
        for epoch, accuracy in run.news(curve):
            known = {"accuracy": accuracy, **self._costs[run.number]}
            trial.report({name: known[name] for name in self._objectives}, epoch)
        return trial

    def _end(self, run: Run, values: list[float] | None) -> None:
        state = TrialState.PRUNED if values is None else TrialState.COMPLETE
        self._study.tell(self._trials.pop(run.number).number, values, state=state)
        del self._costs[run.number]


@cache
def multi_metric_module(registry: Path, *, quick: bool) -> ModuleType:
    """Return the pruner's package from a registry folder; the quick one is a copy of its own."""
    file = registry / PACKAGE / "__init__.py"
    if not file.is_file():
        raise InputError(
            f"{registry} is no registry of OptunaHub with the MultiMetricPruner: "
            f"it has no {PACKAGE / '__init__.py'}"
        )
    name = f"optunahub_multi_metric_pruner_{next(_numbers)}"
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=[str(file.parent)]
    )
    if spec is None or spec.loader is None:
        raise InputError(f"{file} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Its own files import each other through this name.
    spec.loader.exec_module(module)
    if quick:
        _quicken(sys.modules[f"{name}._pruner"])
    return module


class _Ranked:
    """The study of ranks that the base pruner is asked about: what it reads of one, no more."""

    direction = optuna.study.StudyDirection.MINIMIZE

    def __init__(self, trials: list[FrozenTrial]) -> None:
        self._trials = trials

    def get_trials(
        self,
        deepcopy: bool = True,  # noqa: ARG002
        states: Sequence[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Return its trials; all are complete, as the pruner has it."""
        return self._trials if states is None or TrialState.COMPLETE in states else []


def _quicken(module: ModuleType) -> None:
    """Replace, in this copy of its `_pruner` module, what takes the time and decides nothing."""
    study, ranks, ties = (
        "_build_synthetic_study_and_trial",
        "_fast_non_domination_rank",
        "_tie_break",
    )
    if missing := [name for name in (study, ranks, ties) if not hasattr(module, name)]:
        raise InputError(
            f"the MultiMetricPruner of this registry has no {', '.join(missing)}: "
            "it is of another version, which runs with quick=False only"
        )
    setattr(module, study, _ranked_study)
    for name in (ranks, ties):
        setattr(module, name, _remembered(getattr(module, name)))


def _ranked_study(
    trial: FrozenTrial,  # noqa: ARG001
    trials: list[FrozenTrial],
    reported_values_list: list[dict[int, float]],
    current_reported_values: dict[int, float],
    *,
    direction: str,  # noqa: ARG001
) -> tuple[_Ranked, FrozenTrial]:
    others = [
        _with_ranks(ranks)
        for other, ranks in zip(trials, reported_values_list, strict=True)
        if ranks and other.state.is_finished()
    ]
    return _Ranked(others), _with_ranks(current_reported_values)


def _with_ranks(ranks: dict[int, float]) -> FrozenTrial:
    return FrozenTrial(
        number=0,
        trial_id=0,
        state=TrialState.COMPLETE,
        value=0.0,
        datetime_start=None,
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs={},
        system_attrs={},
        intermediate_values=ranks,
    )


def _remembered(function: Callable[..., Any], most: int = 256) -> Callable[..., Any]:
    """Return `function`, of arrays, so that it remembers its latest results: epochs recur."""
    known: dict[tuple[bytes, ...], Any] = {}

    def remembered(*arrays: np.ndarray) -> Any:
        asked = tuple(array.tobytes() for array in arrays)
        if asked not in known:
            if len(known) >= most:
                del known[next(iter(known))]
            known[asked] = function(*arrays)
        return known[asked]

    return remembered
