"""A study in memory that shows a sampler the sampled trials of the real one, and nothing else."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.samplers import BaseSampler, NSGAIISampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from spaces import DistilfrontError
from studies.records import Attr

GENERATION = "NSGAIISampler:generation"
"""Where Optuna's NSGA-II keeps, on a trial, the generation it belongs to."""


@dataclass(frozen=True)
class Learner:
    """One of Optuna's samplers, and which trials its view shows."""

    make: Callable[[int], BaseSampler]
    """The sampler for a seed; made anew for every trial, so that it remembers nothing."""
    complete: bool = False
    """Shows students that ran to their end."""
    running: bool = False
    """Shows what other workers are at, and what was paused."""
    bad: bool = False
    """Shows stopped and diverged students, as trials that run and never end: TPE's constant liar
    counts those among the not good, whereas pruned or infeasible ones fill up its good set when
    complete ones are few, and its good set grows with them."""
    generation: int | None = None
    """Complete trials that make a generation, for a sampler that breeds."""


def is_sampled(trial: FrozenTrial) -> bool:
    """Say whether a trial was sampled: neither an offer nor an added baseline."""
    return bool(trial.user_attrs.get(Attr.ORIGIN, "sampled") == "sampled")


class StudentOnlyStudy:
    """A study in memory that shows another study's sampled trials."""

    def __init__(self, directions: Sequence[StudyDirection], learner: Learner) -> None:
        self._directions = list(directions)
        self._learner = learner
        self._begin()

    def _begin(self) -> None:
        with _quiet():
            self._study = optuna.create_study(directions=self._directions)
        self._shown: list[int] = []
        self._complete = 0
        self._bred = 0
        self._passing: list[int] = []

    def show(self, trials: Sequence[FrozenTrial], besides: int) -> None:
        """Show the sampled ones of `trials` but the one numbered `besides`, as they are now.

        Ended trials stand in the order in which they ended, whoever looks. New ones are usually
        the latest and are added; otherwise, or when the passing ones (which cannot be taken out
        of a study, only failed) are too many, the view begins anew.
        """
        learner = self._learner
        gone_on_with = {trial.user_attrs.get(Attr.RESUMES) for trial in trials}
        others = [
            trial
            for trial in trials
            if trial.number != besides and is_sampled(trial) and trial.number not in gone_on_with
        ]
        ended = sorted((t for t in others if self._shows(t)), key=_ending)
        numbers = [trial.number for trial in ended]
        crowded = len(self._study.get_trials(deepcopy=False)) > 2 * len(numbers) + 256
        if crowded or numbers[: len(self._shown)] != self._shown:
            self._begin()
        for number in self._passing:
            self._study.tell(number, state=TrialState.FAIL)
        self._passing.clear()
        for trial in ended[len(self._shown) :]:
            self._add(trial)
        self._shown = numbers
        for trial in others:
            if learner.running and _is_open(trial) and trial.params:
                self._study.add_trial(_copy(trial, TrialState.RUNNING))
                self._passing.append(len(self._study.get_trials(deepcopy=False)) - 1)

    def ask(self, sampler: BaseSampler) -> optuna.Trial:
        """Return a new trial of the view, drawn by `sampler`; it is there until the next `show`."""
        if self._learner.generation is not None:
            self._breed(sampler, self._learner.generation)
        self._study.sampler = sampler
        trial = self._study.ask()
        self._passing.append(trial.number)
        return trial

    def _shows(self, trial: FrozenTrial) -> bool:
        if trial.state == TrialState.COMPLETE:
            return self._learner.complete
        return self._learner.bad and _is_bad(trial)

    def _add(self, trial: FrozenTrial) -> None:
        if trial.state != TrialState.COMPLETE:
            self._study.add_trial(_copy(trial, TrialState.RUNNING))
            return
        size = self._learner.generation
        marks = {} if size is None else {GENERATION: self._complete // size}
        self._study.add_trial(_copy(trial, TrialState.COMPLETE, marks))
        self._complete += 1

    def _breed(self, sampler: BaseSampler, size: int) -> None:
        """Have the parents of every full generation chosen, the oldest first.

        NSGA-II asks for a generation's parents by way of all generations before, which in a
        long study is deeper than Python calls may nest; those chosen already are remembered.
        """
        if not isinstance(sampler, NSGAIISampler):
            raise DistilfrontError(f"{type(sampler).__name__} has no generations")
        for generation in range(self._bred + 1, self._complete // size + 1):
            sampler.get_parent_population(self._study, generation)
            self._bred = generation


def _is_open(trial: FrozenTrial) -> bool:
    """Whether a trial runs, or was paused: what it ends with is not known yet."""
    return trial.state == TrialState.RUNNING or _is_paused(trial)


def _is_paused(trial: FrozenTrial) -> bool:
    ruling = trial.user_attrs.get(Attr.RULING, {})
    return trial.state == TrialState.PRUNED and bool(ruling.get("paused", False))


def _is_bad(trial: FrozenTrial) -> bool:
    failure = trial.user_attrs.get(Attr.FAILURE, {})
    return (trial.state == TrialState.PRUNED and not _is_paused(trial)) or (
        trial.state == TrialState.FAIL and failure.get("kind") == "diverged"
    )


def _ending(trial: FrozenTrial) -> tuple[float, int]:
    assert trial.datetime_complete is not None
    return trial.datetime_complete.timestamp(), trial.number


def _copy(
    trial: FrozenTrial, state: TrialState, system_attrs: dict[str, Any] | None = None
) -> FrozenTrial:
    """Return what a sampler may know of a trial, without its curves and evaluations."""
    complete = state == TrialState.COMPLETE
    return create_trial(
        state=state,
        values=trial.values if complete else None,
        params=trial.params,
        distributions=trial.distributions,
        system_attrs=system_attrs,
        constraints=trial.constraints if complete else None,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from announcing the view as a new study."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)
