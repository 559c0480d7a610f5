"""The chain as a table recorded it: what trains and scores in a simulated search."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

from benchmarks.replay.clock import Clock, Parked
from benchmarks.replay.trace import Spent, Work
from benchmarks.tables import RecordedStage, Table
from objectives import (
    EpochReport,
    Evaluation,
    OnEpoch,
    StageRecord,
    StoppedStudent,
    TrainedStudent,
    Verdict,
)
from spaces import (
    DistilfrontError,
    Network,
    Scheme,
    StudentConfig,
    student_key,
)


@dataclass
class Stage:
    """A stage of a student in the simulated stage cache."""

    finished: int = 0
    """Epochs whose checkpoint is there."""
    held: bool = False
    """Whether a worker trains it."""
    waiting: Parked = field(default_factory=Parked)


class Stages:
    """The stage cache of all simulated workers: stages by their content, one builder at a time."""

    def __init__(self) -> None:
        self._stages: dict[str, Stage] = {}

    def of(self, key: str) -> Stage:
        """Return the stage of that key, begun by nobody if it is new."""
        return self._stages.setdefault(key, Stage())


class SimulatedWorkbench:
    """What run_trials asks of objectives.Workbench, answered from a table at its recorded price.

    Epochs whose checkpoints are there cost nothing, and a stage that another worker trains is
    waited for, as in the real stage cache.
    """

    def __init__(self, table: Table, clock: Clock, stages: Stages, worker: int) -> None:
        self._table = table
        self._clock = clock
        self._stages = stages
        self._worker = worker
        self.owner: str = ""
        """What the stages of the trial under way are kept under beside their content: nothing
        where trials share them."""
        self.student = ""
        """Key of the last student."""
        self.spent: list[Spent] = []
        self.waited_s = 0.0
        """Seconds in which it waited for stages."""
        images = table.validation_images
        self.data = SimpleNamespace(images_in=lambda split: images)  # noqa: ARG005
        self.keys = SimpleNamespace(all_teachers=lambda: ("teacher",))
        self.cache = SimpleNamespace(keep=frozenset())

    def train_student(
        self, config: StudentConfig, on_epoch: OnEpoch
    ) -> TrainedStudent | StoppedStudent:
        """Report a student's recorded epochs; see Workbench.train_student."""
        key = self.student = key_of(config)
        if key not in self._table.students:
            raise DistilfrontError(f"table {self._table.name} has no student {config}")
        row = self._table.students[key]
        done, records = 0, []
        for prefix, recorded in zip(config.prefixes, row.stages, strict=True):
            kind = prefix.stages[-1].kind
            content = f"{kind} {key_of(prefix)}{self.owner}"
            run = _StageRun(kind, content, recorded, done, config.total_epochs)
            stopped = self._run(run, on_epoch)
            records.append(run.record)
            if stopped is not None:
                return StoppedStudent(key, stopped, tuple(records))
            done += len(recorded.seconds)
        return TrainedStudent(key, Path(key), row.accuracy, tuple(records))

    def evaluate(
        self,
        student: TrainedStudent,
        network: Network,
        scheme: Scheme,
        split: Literal["validation"],  # noqa: ARG002
    ) -> Evaluation:
        """Return the recorded accuracy and the cost table's size; see Workbench.evaluate."""
        row, name = self._table.students[student.key], scheme.name
        seconds = row.evaluation_seconds[name]
        self._spend("evaluate", seconds)
        return self._table.evaluation(network.key, name, row.validation[name], seconds)

    def _run(self, run: "_StageRun", on_epoch: OnEpoch) -> EpochReport | None:
        """Report a stage's epochs, trained or reused; return the last one if it was to stop."""
        stage = self._stages.of(run.key)
        while stage.held:
            begun = self._clock.now
            self._clock.park(stage.waiting)
            self.waited_s += self._clock.now - begun
        there, epochs = stage.finished, len(run.recorded.seconds)
        with self._holding(stage) if there < epochs else _nothing():
            for epoch in range(1, epochs + 1):
                reused, last = epoch <= there, epoch == epochs
                if not reused:
                    self._spend(run.name, run.recorded.seconds[epoch - 1])
                    if not last:
                        stage.finished = epoch
                report = run.report(epoch, reused=reused)
                verdict = on_epoch(report)
                # What ends in the last epoch is published after it was reported, as it really is.
                stage.finished = max(stage.finished, epoch)
                if verdict is Verdict.STOP:
                    return report
        return None

    @contextmanager
    def _holding(self, stage: Stage) -> Iterator[None]:
        stage.held = True
        try:
            yield
        finally:
            stage.held = False
            self._clock.wake(stage.waiting)

    def _spend(self, work: Work, seconds: float) -> None:
        begun = self._clock.now
        self._clock.spend(seconds)
        self.spent.append(Spent(self._worker, begun, seconds, work, self.student))


class _StageRun:
    """One stage of one student as it is reported; `record` says what it took so far."""

    def __init__(
        self, name: str, key: str, recorded: RecordedStage, before: int, total: int
    ) -> None:
        self.name = name
        self.key = key
        self.recorded = recorded
        self._before = before
        self._total = total
        self._seconds = 0.0
        self._seconds_reused = 0.0
        self._epochs = 0

    def report(self, epoch: int, *, reused: bool) -> EpochReport:
        seconds = self.recorded.seconds[epoch - 1]
        self._epochs = epoch
        self._seconds += seconds
        self._seconds_reused += seconds if reused else 0.0
        return EpochReport(
            stage=self.name,
            epoch=epoch,
            epochs=len(self.recorded.seconds),
            progress=(self._before + epoch) / self._total,
            accuracy=self.recorded.accuracies[epoch - 1],
            seconds=seconds,
            reused=reused,
        )

    @property
    def record(self) -> StageRecord:
        return StageRecord(self.name, self.key, self._seconds, self._seconds_reused, self._epochs)


key_of: Callable[[StudentConfig], str] = cache(student_key)
"""spaces.student_key, remembered: a simulated study asks for the same few hundred often."""


@contextmanager
def _nothing() -> Iterator[None]:
    yield
