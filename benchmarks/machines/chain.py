"""A chain that sleeps instead of training: accuracies of a recorded table, a real stage cache."""

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

from benchmarks.tables import RecordedStage, Table
from objectives import (
    EpochReport,
    Evaluation,
    OnEpoch,
    StageCache,
    StageRecord,
    StoppedStudent,
    TrainedStudent,
    Verdict,
)
from objectives.chain import Draft
from spaces import Network, Scheme, StudentConfig, digest, student_key

_WEIGHTS = b"\0" * 100_000
"""What a stage leaves: as many bytes as a small student has."""


class Ledger:
    """A file to which many processes append lines."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, *words: object) -> None:
        """Append one line, in one piece."""
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())


class SleepingWorkbench:
    """What run_trials asks of objectives.Workbench; each stage takes `stage_s` to train."""

    def __init__(self, table: Table, cache: StageCache, stage_s: float, ledger: Ledger) -> None:
        self._table = table
        self.cache = cache
        self._stage_s = stage_s
        self._ledger = ledger
        self._leases = ExitStack()
        self.in_chain_s = 0.0
        """Seconds in stages, own ones and those that were waited for."""
        images = table.validation_images
        self.data = SimpleNamespace(images_in=lambda split: images)  # noqa: ARG005
        self.keys = SimpleNamespace(all_teachers=lambda: ("teacher",))

    def train_student(
        self, config: StudentConfig, on_epoch: OnEpoch
    ) -> TrainedStudent | StoppedStudent:
        """Sleep through a student's stages, those that the cache does not have."""
        begun = time.monotonic()
        leases = ExitStack()
        try:
            return self._train(config, on_epoch, leases)
        finally:
            self._leases.close()
            self._leases = leases
            self.in_chain_s += time.monotonic() - begun

    def _train(
        self, config: StudentConfig, on_epoch: OnEpoch, leases: ExitStack
    ) -> TrainedStudent | StoppedStudent:
        key = student_key(config)
        row = self._table.students[key]
        done, records = 0, list[StageRecord]()
        for prefix, recorded in zip(config.prefixes, row.stages, strict=True):
            kind = prefix.stages[-1].kind
            stage = digest("sleeping", student_key(prefix))
            run = _Stage(kind, stage, recorded, done, config.total_epochs, on_epoch)
            entry = self.cache.obtain(stage, lambda draft, run=run: self._build(draft, run), leases)
            if entry is not None:
                run.catch_up()
            records.append(StageRecord(kind, stage, self._stage_s, 0.0, run.epoch))
            if run.stopped_at is not None:
                return StoppedStudent(key, run.stopped_at, tuple(records))
            done += len(recorded.accuracies)
        return TrainedStudent(key, Path(key), row.accuracy, tuple(records))

    def _build(self, draft: Draft, run: "_Stage") -> bool:
        checkpoint = draft.checkpoint()
        while checkpoint is not None and run.epoch < checkpoint.notes["epoch"]:
            if run.report(reused=True) is Verdict.STOP:
                return False
        while run.epoch < run.epochs:
            slept_s = self._stage_s / run.epochs
            time.sleep(slept_s)
            self._ledger.write("epoch", run.key, run.epoch + 1, slept_s)
            last = run.epoch + 1 == run.epochs
            if not last:
                with draft.saving_checkpoint(run.epoch + 1, {"epoch": run.epoch + 1}) as folder:
                    (folder / "weights").write_bytes(_WEIGHTS)
            if run.report(reused=False) is Verdict.STOP and not last:
                return False
        with draft.publishing({}) as folder:
            (folder / "weights").write_bytes(_WEIGHTS)
        self._ledger.write("built", run.key)
        return True

    def evaluate(
        self,
        student: TrainedStudent,
        network: Network,
        scheme: Scheme,
        split: Literal["validation"],  # noqa: ARG002
    ) -> Evaluation:
        """Return the recorded accuracy and the cost table's size."""
        row = self._table.students[student.key]
        return self._table.evaluation(network.key, scheme.name, row.validation[scheme.name])


@dataclass
class _Stage:
    """One stage of one student as it is reported."""

    kind: str
    key: str
    recorded: RecordedStage
    before: int
    total: int
    on_epoch: OnEpoch
    epoch: int = 0
    stopped_at: EpochReport | None = None

    @property
    def epochs(self) -> int:
        return len(self.recorded.accuracies)

    def report(self, *, reused: bool) -> Verdict:
        """Report the next epoch."""
        self.epoch += 1
        report = EpochReport(
            stage=self.kind,
            epoch=self.epoch,
            epochs=self.epochs,
            progress=(self.before + self.epoch) / self.total,
            accuracy=self.recorded.accuracies[self.epoch - 1],
            seconds=self.recorded.seconds[self.epoch - 1],
            reused=reused,
        )
        verdict = self.on_epoch(report)
        if verdict is Verdict.STOP:
            self.stopped_at = report
        return verdict

    def catch_up(self) -> None:
        """Report what another trained, until one is to stop."""
        while self.epoch < self.epochs and self.stopped_at is None:
            self.report(reused=True)
