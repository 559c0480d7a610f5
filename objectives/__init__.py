"""What a point is worth: data, models, the chain, runtimes, measurement. No Optuna.

Names are looked up when first asked for: results, costs and Pareto arithmetic need no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from objectives.bundle import read_costs, write_bundle
    from objectives.costs import Cost, CostTable
    from objectives.devices import device_fingerprint, difference
    from objectives.errors import DivergedError
    from objectives.file_lock import FileLock
    from objectives.preflight import check_foundation
    from objectives.results import (
        EpochReport,
        Evaluation,
        StageRecord,
        StoppedStudent,
        TrainedStudent,
        Verdict,
    )
    from objectives.study_costs import measure_study_costs, write_candidates
    from objectives.workbench import Workbench

_WHERE = {
    "Cost": "costs",
    "CostTable": "costs",
    "DivergedError": "errors",
    "EpochReport": "results",
    "Evaluation": "results",
    "FileLock": "file_lock",
    "StageRecord": "results",
    "StoppedStudent": "results",
    "TrainedStudent": "results",
    "Verdict": "results",
    "Workbench": "workbench",
    "check_foundation": "preflight",
    "device_fingerprint": "devices",
    "difference": "devices",
    "measure_study_costs": "study_costs",
    "read_costs": "bundle",
    "write_bundle": "bundle",
    "write_candidates": "study_costs",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


__all__ = [
    "Cost",
    "CostTable",
    "DivergedError",
    "EpochReport",
    "Evaluation",
    "FileLock",
    "StageRecord",
    "StoppedStudent",
    "TrainedStudent",
    "Verdict",
    "Workbench",
    "check_foundation",
    "device_fingerprint",
    "difference",
    "measure_study_costs",
    "read_costs",
    "write_bundle",
    "write_candidates",
]
