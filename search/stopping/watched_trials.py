"""What the finished trials of anybody's study say: incumbents at costs, and scores of curves."""

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import optuna
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.stopping.curve_scores import CurveScore
from search.stopping.incumbents import IncumbentFront
from search.stopping.score_book import ScoreBook, Tally
from spaces import InputError, UnknownNameError

if TYPE_CHECKING:
    from studies import StoredTrials


class WatchedAttr(StrEnum):
    """Where a watched trial keeps what others read: user attributes of the trial."""

    CURVE = "known_costs:curve"
    """(progress, value) pairs as reported."""
    KNOWN = "known_costs:known"
    """The known values as announced."""
    RULING = "known_costs:ruling"
    """Why it was stopped or audited; absent where it was neither."""


@dataclass(frozen=True)
class Objectives:
    """The one place where directions are turned: inside, merits grow and costs fall."""

    names: tuple[str, ...]
    signs: tuple[int, ...]
    """1 where the objective is minimised, -1 where it is maximised."""
    learned: int
    """Index of the learned objective; all others are known."""

    @property
    def known_names(self) -> tuple[str, ...]:
        """Names of the known objectives, in the study's order."""
        return self.names[: self.learned] + self.names[self.learned + 1 :]

    def merit(self, value: float) -> float:
        """Turn a value of the learned objective into a merit, or back."""
        return -self.signs[self.learned] * value

    def costs(self, known: Sequence[float]) -> tuple[float, ...]:
        """Turn the values of the known objectives into costs."""
        signs = self.signs[: self.learned] + self.signs[self.learned + 1 :]
        return tuple(sign * value for sign, value in zip(signs, known, strict=True))

    def known_of(self, values: Sequence[float]) -> list[float]:
        """Leave the learned objective out of a trial's values."""
        return [*values[: self.learned], *values[self.learned + 1 :]]


def objectives_of(study: optuna.Study, learned: int | str) -> Objectives:
    """Return the objectives of `study`, of which `learned` (index or metric name) is learned."""
    directions, names = study.directions, study.metric_names
    if len(directions) < 2:
        raise InputError(
            "a study with one objective has no known costs: use one of Optuna's own pruners"
        )
    if isinstance(learned, str):
        if names is None:
            raise InputError(
                f"the study's metrics have no names, so {learned!r} is none of them: give its "
                "index, or name them first (study.set_metric_names)"
            )
        if learned not in names:
            raise UnknownNameError("objective", learned, tuple(names))
        learned = names.index(learned)
    if not 0 <= learned < len(directions):
        raise InputError(
            f"learned must be the index of one of the study's {len(directions)} objectives, "
            f"0 to {len(directions) - 1}, got {learned}"
        )
    return Objectives(
        names=tuple(names or (f"objective {index}" for index in range(len(directions)))),
        signs=tuple(-1 if d == StudyDirection.MAXIMIZE else 1 for d in directions),
        learned=learned,
    )


@dataclass(frozen=True)
class WatchedTally(Tally):
    """How many trials a study has of every kind that the rule knows."""

    missed: int
    """Audited trials that ended better than the incumbent for which they were to be stopped."""


class WatchedTrials:
    """The finished trials of a study, each read once: Optuna never changes a finished trial.

    Trials with equal parameters count once, by the first: what is repeated says nothing new.
    Failed trials, and those pruned without a ruling of ours, say nothing: the level is about
    trials that would complete.
    """

    def __init__(
        self,
        study: optuna.Study,
        objectives: Objectives,
        score: CurveScore,
        storage: RDBStorage | None = None,
    ) -> None:
        self._study = study
        self._stored = None if storage is None else _stored_trials(storage, study.study_name)
        self._objectives = objectives
        self._score = score
        self._read: set[int] = set()
        self._behind = 0  # All trials before this number were read; Optuna lists them in order.
        self.book = ScoreBook()
        self._missed = 0
        self._warned = False
        self.incumbents = IncumbentFront(len(objectives.names) - 1)

    def update(self) -> None:
        """Take in what has finished since the last time."""
        for trial in self._unread():
            if trial.number not in self._read and trial.state.is_finished():
                self._take(trial)
                self._read.add(trial.number)
        while self._behind in self._read:
            self._behind += 1

    def _unread(self) -> Iterable[FrozenTrial]:
        if self._stored is not None:
            return self._stored.changed()
        return self._study.get_trials(deepcopy=False)[self._behind :]

    @property
    def tally(self) -> WatchedTally:
        """The counts, as of the last update."""
        tally = self.book.tally
        return WatchedTally(tally.natural, tally.audited, tally.stopped, self._missed)

    def _take(self, trial: FrozenTrial) -> None:
        attrs, objectives = trial.user_attrs, self._objectives
        ruling = attrs.get(WatchedAttr.RULING)
        if ruling is not None and not ruling["audited"]:
            # Whatever its objective did with the answer, it did not end as others do.
            self.book.add_stopped(_settings(trial))
        if trial.state != TrialState.COMPLETE:
            return
        merit = objectives.merit(trial.values[objectives.learned])
        known = objectives.known_of(trial.values)
        if all(violation <= 0 for violation in trial.constraints.values()):
            self.incumbents.add(trial.number, objectives.costs(known), merit)
        if WatchedAttr.CURVE not in attrs:
            return
        if ruling is None or ruling["audited"]:
            self._learn(trial, merit, ruling)
        self._compare(trial, known, attrs[WatchedAttr.KNOWN])

    def _learn(self, trial: FrozenTrial, merit: float, ruling: dict[str, Any] | None) -> None:
        objectives = self._objectives
        self._score.check(merit)
        if ruling is not None and merit > objectives.merit(ruling["incumbent"]):
            self._missed += 1
        settings = _settings(trial)
        if self.book.knows(settings):
            return
        steps = [(e, objectives.merit(value)) for e, value in trial.user_attrs[WatchedAttr.CURVE]]
        # The value told counts as the end, whatever was reported last: it is what dominates.
        score = self._score.of([*(step for step in steps if step[0] < 1), (1.0, merit)])
        self.book.add_ended(settings, score, audited=ruling is not None)

    def _compare(self, trial: FrozenTrial, told: list[float], announced: Sequence[float]) -> None:
        if self._warned or all(map(math.isclose, told, announced)):
            return
        self._warned = True
        warnings.warn(
            f"trial {trial.number} returned {told} for its known objectives but had announced "
            f"{list(announced)}: a stop rests on the announced ones",
            stacklevel=2,
        )


def _stored_trials(storage: RDBStorage, study_name: str) -> "StoredTrials":
    from studies import StoredTrials  # which not every study needs

    return StoredTrials(storage, study_name)


def _settings(trial: FrozenTrial) -> str:
    """Return a name for what was trained; a trial without parameters is like no other."""
    return repr(sorted(trial.params.items())) if trial.params else f"trial {trial.number}"
