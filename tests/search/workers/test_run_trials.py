"""The loop on a real study in a database, with the chain of a recorded table."""

from dataclasses import dataclass, field

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from benchmarks.replay.clock import Clock
from benchmarks.replay.simulated_chain import SimulatedWorkbench, Stages
from search.problem import SearchProblem
from search.stopping.pruning import GoOn, Pause, StudentInTraining
from search.strategy.samplers import sampler_named
from search.workers.claims import open_claims
from search.workers.events import TrialEnded
from search.workers.run_trials import Bench, Worker
from search.workers.stop_signal import StopSignal
from studies import create_or_resume
from studies.records import Attr, HistoryReader
from tests.benchmarks.tiny_table import IMAGES, table

TABLE = table()
TRIALS = 4
PROBLEM = SearchProblem(
    TABLE.config.search_space(), TABLE.costs, TABLE.reference, IMAGES, TABLE.teacher["accuracy"]
)


@dataclass(frozen=True)
class Worth:
    words: str = "something else is worth more"


class PausesOnce:
    """Pauses every student after its first epoch, and notes what the cache keeps later on."""

    def __init__(self):
        self.workbench = None
        self.kept = []

    def rule(self, student: StudentInTraining):
        self.kept.append((student.history.waiting, self.workbench.cache.keep))
        return Pause(Worth()) if len(student.curve) == 1 else GoOn()


@dataclass
class Shown:
    """A presenter that remembers."""

    training: list = field(default_factory=list)
    ends: list = field(default_factory=list)

    def show_training(self, trial, curve, evaluation):
        self.training.append((trial.number, len(curve), evaluation is not None))

    def show_end(self, number, history):
        self.ends.append(number)
        assert number not in {running.number for running in history.running}


@pytest.fixture
def searched(storage: RDBStorage):
    study = create_or_resume(TABLE.config, storage)
    study.sampler = sampler_named("random", 1)
    reader, clock = HistoryReader(study), Clock()
    workbench = SimulatedWorkbench(TABLE, clock, Stages(), 0)
    pruner, shown, events = PausesOnce(), Shown(), []
    pruner.workbench = workbench
    bench = Bench(
        config=TABLE.config,
        study=study,
        reader=reader,
        workbench=workbench,
        problem=PROBLEM,
        pruner=pruner,
        presenter=shown,
        offers=lambda *_, **__: (),
    )
    worker = Worker(bench, open_claims(study, storage, reader), StopSignal(), events.append)
    clock.run([lambda: worker.run(TRIALS)])
    return study, pruner, shown, events


def test_paused_students_are_recorded_kept_in_the_cache_and_finished(searched):
    study, pruner, shown, events = searched
    trials = study.get_trials(deepcopy=False)
    paused = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert paused
    for trial in paused:
        ruling = trial.user_attrs[Attr.RULING]
        assert (ruling["paused"], ruling["audited"]) == (True, False)
        assert ruling["words"] == Worth().words
        assert len(trial.user_attrs[Attr.CURVE]) == 1
    resumed = {t.user_attrs[Attr.RESUMES] for t in trials if Attr.RESUMES in t.user_attrs}
    assert resumed
    assert resumed <= {trial.number for trial in paused}
    complete = {t.user_attrs[Attr.STUDENT] for t in trials if t.state == TrialState.COMPLETE}
    # Two trials may have drawn the same student: it is finished once, by either.
    assert {trial.user_attrs[Attr.STUDENT] for trial in trials} == complete
    assert any(waiting for waiting, _ in pruner.kept)
    for waiting, keep in pruner.kept:
        assert {stage.key for trial in waiting for stage in trial.stages} <= keep
    ended = [event.trial for event in events if isinstance(event, TrialEnded)]
    assert shown.ends == ended
    assert [number for number, _, _ in shown.training] == ended
    evaluated = {number for number, _, evaluated in shown.training if evaluated}
    assert evaluated == {t.number for t in trials if t.state == TrialState.COMPLETE}


def test_without_offers_every_point_is_its_own_trial(searched):
    study = searched[0]
    assert {t.user_attrs[Attr.ORIGIN] for t in study.get_trials(deepcopy=False)} == {"sampled"}


def test_a_study_of_this_loop_can_be_gone_on_with(searched, storage):
    study = searched[0]
    claims = open_claims(study, storage)
    assert claims.claim(TRIALS) is None
    assert claims.over
    assert isinstance(claims.claim(TRIALS + 1), optuna.Trial)
