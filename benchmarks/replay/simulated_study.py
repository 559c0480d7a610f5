"""The study of a simulated search: in memory, its times those of the simulated clock."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import optuna
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from benchmarks.replay.clock import Clock, Parked
from benchmarks.tables import Table
from objectives import Evaluation
from search.workers import TEACHER_ITSELF, TEACHER_QUANTIZED, student_baselines
from spaces import to_dict
from studies.records import Attr, History, StudyAttr, add_baseline, enqueue_baseline

_BEGIN = datetime(2000, 1, 1, tzinfo=UTC)
"""When simulated time begins, for Optuna, whose trials know no other times than dates."""


class SimulatedStorage(InMemoryStorage):
    """Keeps a study in memory and writes simulated times over Optuna's own."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """As InMemoryStorage, with simulated times."""
        trial_id = super().create_new_trial(study_id, template_trial)
        self._stamp(trial_id)
        return trial_id

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """As InMemoryStorage, with simulated times."""
        done = super().set_trial_state_values(trial_id, state, values)
        self._stamp(trial_id)
        return done

    def _stamp(self, trial_id: int) -> None:
        trial = self.get_trial(trial_id)
        now = _BEGIN + timedelta(seconds=self._clock.now)
        if trial.state.is_finished():
            trial.datetime_complete = now
        elif trial.state == TrialState.RUNNING:
            trial.datetime_start = now


class SimulatedHeartbeat:
    """Workers that never die (a search.workers.heartbeat.Heartbeat)."""

    def signature(self) -> dict[Attr, Any]:
        """Return nothing: nobody looks."""
        return {}

    def is_gone(self, trial: FrozenTrial) -> bool:  # noqa: ARG002
        """Return False."""
        return False

    def begin(self, trial: optuna.Trial) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""


class SimulatedStopSignal:
    """Asks for a stop when simulated time is up; whoever waits is woken by `news`.

    A real worker looks every second whether there is a trial for it. This one looks whenever
    another's epoch or trial has ended: nothing else can change the answer.
    """

    def __init__(self, clock: Clock, budget_s: float) -> None:
        self._clock = clock
        self._budget_s = budget_s
        self._waiting = Parked()
        self._over = False

    @property
    def stopping(self) -> bool:
        """True once the budget is spent, or enough was found."""
        return self._over or self._clock.now >= self._budget_s

    def end(self) -> None:
        """Have every worker stop at the end of its epoch."""
        self._over = True

    def wait(self, seconds: float) -> None:  # noqa: ARG002
        """Wait for news."""
        self._clock.park(self._waiting)

    def news(self) -> None:
        """Wake whoever waits."""
        self._clock.wake(self._waiting)


class NoPresenter:
    """Shows nothing (a search.workers.presenter.Presenter)."""

    def show_training(
        self,
        trial: optuna.Trial,
        curve: Sequence[tuple[float, float]],
        evaluation: Evaluation | None,
    ) -> None:
        """Do nothing."""

    def show_end(self, number: int, history: History) -> None:
        """Do nothing."""


def furnish(study: optuna.Study, table: Table, *, baselines: bool) -> None:
    """Give a new study what the program's have before their first trial.

    That is the costs and, with `baselines`, the teacher under every scheme and the students that
    leave a step out: see search.workers.prepare.
    """
    study.set_user_attr(StudyAttr.COSTS.value, to_dict(table.costs))
    if baselines:
        _add_teacher(study, table)
        space = table.config.search_space()
        for one in student_baselines(space, table.costs):
            enqueue_baseline(study, one.words, space.params_of(one.chain), late=one.late)


def _add_teacher(study: optuna.Study, table: Table) -> None:
    teacher = table.costs.teacher
    for scheme in table.schemes:
        evaluation = table.evaluation(teacher, scheme, table.teacher["validation"][scheme])
        words = TEACHER_ITSELF if scheme == "fp32" else TEACHER_QUANTIZED
        latency_ms = table.costs.of(teacher, scheme).latency_ms
        add_baseline(study, words, scheme, evaluation, latency_ms)
