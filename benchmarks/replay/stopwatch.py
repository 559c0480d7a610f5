"""How long a strategy's own decisions take, by the wall clock."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from benchmarks.replay.trace import Decisions

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Stopwatch:
    """Adds up wall-clock time by kind of decision."""

    def __init__(self) -> None:
        self._calls: dict[str, int] = {}
        self._seconds: dict[str, float] = {}

    @contextmanager
    def timing(self, kind: str) -> Iterator[None]:
        """Count the block as a decision of `kind`."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._calls[kind] = self._calls.get(kind, 0) + 1
            self._seconds[kind] = self._seconds.get(kind, 0.0) + time.perf_counter() - begun

    def timed(self, kind: str, decide: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        """Return `decide` with every call counted as a decision of `kind`."""

        def timed(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            with self.timing(kind):
                return decide(*args, **kwargs)

        return timed

    @property
    def decisions(self) -> dict[str, Decisions]:
        """What was counted, by kind."""
        return {kind: Decisions(self._calls[kind], self._seconds[kind]) for kind in self._calls}


class TimedSampler(BaseSampler):
    """A sampler whose every call is timed; a trial's several calls are one decision each."""

    def __init__(self, sampler: BaseSampler, stopwatch: Stopwatch) -> None:
        self._sampler = sampler
        self._watch = stopwatch

    def reseed_rng(self) -> None:
        """As the sampler."""
        self._sampler.reseed_rng()

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """As the sampler."""
        with self._watch.timing("sampler"):
            return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the sampler."""
        with self._watch.timing("sampler"):
            return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """As the sampler."""
        with self._watch.timing("sampler"):
            return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """As the sampler."""
        with self._watch.timing("sampler"):
            self._sampler.before_trial(study, trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Any,
    ) -> None:
        """As the sampler."""
        with self._watch.timing("sampler"):
            self._sampler.after_trial(study, trial, state, values)
