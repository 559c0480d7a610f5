"""The names under which Optuna keeps what we know of a trial or a study.

Every fact lies in Optuna user attributes, so that any Optuna tool can read it. Only this package
knows these names.
"""

from enum import StrEnum
from typing import Literal

Origin = Literal["sampled", "offered", "baseline"]


class Attr(StrEnum):
    """Names of the user attributes of a trial."""

    ORIGIN = "origin"
    """Origin: sampled (also when absent: the worker sets it at once), offered or baseline."""
    STUDENT = "student"
    """spaces.student_key, or `teacher`."""
    CHAIN = "chain"
    """spaces.to_dict of the ChainConfig (absent for the teacher's baselines)."""
    SCHEME = "scheme"
    """Name of the scheme."""
    BASELINE = "baseline"
    """Words for a baseline, sampled or not: `teacher quantized directly`, `student alone`, …"""
    LATE = "late"
    """Whether an enqueued baseline is to wait until the search has had its trials."""
    CURVE = "curve"
    """[[progress, accuracy], …] of the float network, one pair an epoch."""
    STAGES = "stages"
    """list of objectives.StageRecord as dicts."""
    EVALUATION = "evaluation"
    """objectives.Evaluation on the validation split, as a dict."""
    RULING = "ruling"
    """pruning's reason for stopping or auditing, as a dict with `audited` and `words`."""
    FAILURE = "failure"
    """{"kind": "error" | "diverged" | "interrupted", "reason": one line}."""
    WORKER = "worker"
    """worker_identity.WorkerIdentity of the process that runs the trial, as a dict."""
    COMMAND = "command"
    """WorkerIdentity of the process that started that one, None where it has none."""
    BEAT = "beat"
    """Unix time at which that process last said that it is alive."""
    RETRY_OF = "retry_of"
    """Number of the interrupted trial that this one goes on with."""
    RESUMES = "resumes"
    """Number of the paused trial whose student this one trains on."""
    OFFERED_BY = "offered_by"
    """Number of the sampled trial whose student an offered trial shares."""


class StudyAttr(StrEnum):
    """Names of the user attributes of a study."""

    FORMAT = "distilfront_format"
    CONFIG = "config"
    FINGERPRINT = "fingerprint"
    INPUTS = "inputs"
    """{"content": {name of a StudyInput: its digest}, "data_stamp": objectives.data_stamp}."""
    DATA = "data"
    """What the data are, in words."""
    CLASSES = "classes"
    """Names of the classes, in order."""
    COSTS = "costs"
    TEACHER = "teacher"
    """{"key", "architecture", "accuracy" (validation), "seconds", "stages"}."""
    TEACHERS = "teachers"
    """Those beside it, {name: {"key", "words", "accuracy" (validation), "seconds", "stages"}}."""
    TEST_SCORES = "test_scores"
    """{front fingerprint: {"scores": {trial number or "teacher": Evaluation dict}}}."""
    REPLICATE = "replicate"
    """With `:student:seed` after it: {"accuracies": {scheme: accuracy}, "seconds"}."""
