"""What a study has recorded: Optuna's trials and attributes, written and read back typed."""

from studies.records.model import Failed, History, Point, Running, Stopped, Student
from studies.records.names import Attr, Origin, StudyAttr
from studies.records.reading import HistoryReader, costs_of, read_history
from studies.records.replicates import Replicate, record_replicate, replicates_of
from studies.records.writing import (
    FailureKind,
    LostTrialError,
    add_baseline,
    add_epoch,
    add_offer,
    complete,
    describe,
    enqueue_baseline,
    fail,
    is_baseline,
    is_enqueued_baseline,
    is_late,
    prune,
    resumes,
)

__all__ = [
    "Attr",
    "Failed",
    "FailureKind",
    "History",
    "HistoryReader",
    "LostTrialError",
    "Origin",
    "Point",
    "Replicate",
    "Running",
    "Stopped",
    "Student",
    "StudyAttr",
    "add_baseline",
    "add_epoch",
    "add_offer",
    "complete",
    "costs_of",
    "describe",
    "enqueue_baseline",
    "fail",
    "is_baseline",
    "is_enqueued_baseline",
    "is_late",
    "prune",
    "read_history",
    "record_replicate",
    "replicates_of",
    "resumes",
]
