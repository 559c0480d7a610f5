"""What was found: the front against the teacher, as a sentence, tables, figures and one page.

`write_report` and the dashboard's figures load Plotly, so they are looked up when first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reports.advice import Advice, Goal, advise, goals
from reports.audit import AuditRate, audit_rate
from reports.baselines import baselines
from reports.confirmation import confirmation_table
from reports.hypervolumes import Growth, Rate, growth, hypervolume_rate
from reports.notes import study_note, trial_note
from reports.picking import PICKS, pick
from reports.rows import Row, row_of
from reports.savings import Savings, savings
from reports.summary import StudySummary, TeacherReference
from reports.tables import points_csv, report_json
from reports.terminal_table import front_table

if TYPE_CHECKING:
    from reports.dashboard import save_study_figures, save_trial_note, upload_trial_artifacts
    from reports.page import write_report

_LAZY = {
    "save_study_figures": "reports.dashboard",
    "save_trial_note": "reports.dashboard",
    "upload_trial_artifacts": "reports.dashboard",
    "write_report": "reports.page",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'reports' has no attribute {name!r}")


__all__ = [
    "PICKS",
    "Advice",
    "AuditRate",
    "Goal",
    "Growth",
    "Rate",
    "Row",
    "Savings",
    "StudySummary",
    "TeacherReference",
    "advise",
    "audit_rate",
    "baselines",
    "confirmation_table",
    "front_table",
    "goals",
    "growth",
    "hypervolume_rate",
    "pick",
    "points_csv",
    "report_json",
    "row_of",
    "save_study_figures",
    "save_trial_note",
    "savings",
    "study_note",
    "trial_note",
    "upload_trial_artifacts",
    "write_report",
]
