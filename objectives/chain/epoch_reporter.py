"""Between a stage that trains and the caller who is asked after every epoch."""

from collections.abc import Callable
from contextlib import ExitStack

from objectives.chain.cache import Draft, Entry, StageCache
from objectives.results import EpochReport, OnEpoch, StageName, StageRecord, Verdict
from objectives.training import AfterEpoch, EpochResult

StageBuild = Callable[[Draft, AfterEpoch], bool]
"""Trains a stage and publishes it; False when it was stopped."""


class EpochReporter:
    """Turns one stage's epochs into reports and remembers what was answered (an `AfterEpoch`)."""

    def __init__(
        self, stage: StageName, epochs: int, before: int, total: int, on_epoch: OnEpoch
    ) -> None:
        self._stage = stage
        self._epochs = epochs
        self._before = before
        self._total = total
        self._on_epoch = on_epoch
        self._seconds = 0.0
        self._seconds_reused = 0.0
        self._last: EpochReport | None = None
        self.reported = 0
        self.stopped = False

    def __call__(self, epoch: int, result: EpochResult, reused: bool) -> bool:
        """Report an epoch; True lets training go on."""
        self._seconds += result.seconds
        self._seconds_reused += result.seconds if reused else 0.0
        self._last = EpochReport(
            stage=self._stage,
            epoch=epoch,
            epochs=self._epochs,
            progress=(self._before + epoch) / self._total,
            accuracy=result.accuracy,
            seconds=result.seconds,
            reused=reused,
        )
        self.reported = epoch
        self.stopped = self._on_epoch(self._last) is Verdict.STOP
        return not self.stopped

    @property
    def last_report(self) -> EpochReport:
        """The report that was answered last."""
        if self._last is None:
            raise AssertionError("a stage is stopped by the answer to a report")
        return self._last

    def record(self, key: str) -> StageRecord:
        """Return what the stage took so far."""
        return StageRecord(self._stage, key, self._seconds, self._seconds_reused, self.reported)


def reported_entry(
    cache: StageCache, key: str, reporter: EpochReporter, build: StageBuild, leases: ExitStack
) -> Entry | None:
    """Return a stage's entry, made if need be, every epoch reported; None: a verdict stopped it."""
    entry = cache.obtain(key, lambda draft: build(draft, reporter), leases)
    if entry is None:
        return None
    results = [EpochResult(**result) for result in entry.notes["results"]]
    for epoch, result in enumerate(results[reporter.reported :], reporter.reported + 1):
        if not reporter(epoch, result, reused=True):
            break
    return None if reporter.stopped else entry
