"""Optuna's samplers, by name, made to learn from students instead of points.

A sampler is shown a *view*: a study in memory that holds sampled trials only. So offered points
and baselines are neither start-up trials nor clones that swamp a density. And a draw depends on
the study's content and the trial's number alone: a resumed or a parallel worker draws what any
other would have drawn, and no two trials share their random numbers.
"""

from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from search.strategy.one_by_one import OneByOneSampler
from search.strategy.sobol import SobolSampler
from search.strategy.student_only_study import Learner, StudentOnlyStudy
from spaces import DistilfrontError, UnknownNameError, digest


def sampler_named(name: str, seed: int, startup: int = 10) -> BaseSampler:
    """Return the sampler of that name; raises UnknownNameError with the known names.

    startup: complete students before it learns; for NSGA-II the size of a generation.
    """
    if name == "qmc":
        return SobolSampler(seed)
    learners = learners_of(startup)
    if name not in learners:
        raise UnknownNameError("sampler", name, (*learners, "qmc"))
    return StudentSampler(learners[name], seed)


def learners_of(startup: int = 10) -> dict[str, Learner]:
    """Return Optuna's samplers with what each is shown, by name; startup: as sampler_named."""
    population = max(2, startup)
    return {
        "tpe": Learner(
            lambda seed: TPESampler(seed=seed, n_startup_trials=startup),
            complete=True,
            running=True,
            bad=True,
        ),
        "nsgaii": Learner(
            lambda seed: NSGAIISampler(seed=seed, population_size=population),
            complete=True,
            generation=population,
        ),
        "gp": Learner(
            lambda seed: GPSampler(
                seed=seed, n_startup_trials=startup, warn_independent_sampling=False
            ),
            complete=True,
            running=True,
        ),
        "random": Learner(lambda seed: RandomSampler(seed=seed)),
    }


class StudentSampler(OneByOneSampler):
    """Draws a trial's settings by asking a Learner's sampler in its view of the study.

    A view's trial stands in for the real one, and every setting is asked for there, by Optuna's
    public calls. One sampler belongs to one study.
    """

    def __init__(self, learner: Learner, seed: int) -> None:
        self._learner = learner
        self._seed = seed
        self._view: StudentOnlyStudy | None = None
        self._number: int | None = None
        self._stand_in: optuna.Trial | None = None

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return the setting that the stand-in is given."""
        if self._stand_in is None or self._number != trial.number:
            if self._view is None:
                self._view = StudentOnlyStudy(study.directions, self._learner)
            seed = int(digest("sampler", self._seed, trial.number)[:8], 16)
            self._view.show(study.get_trials(deepcopy=False), besides=trial.number)
            self._stand_in = self._view.ask(self._learner.make(seed))
            self._number = trial.number
        return suggest(self._stand_in, param_name, param_distribution)


def suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    """Ask `trial` for `name` from `distribution`."""
    match distribution:
        case FloatDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_float(name, low, high, step=step, log=log)
        case IntDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_int(name, low, high, step=step, log=log)
        case CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(name, choices)
    raise DistilfrontError(f"{name} has a distribution no sampler knows: {distribution}")
