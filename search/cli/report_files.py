"""A study's report on disk, with the pictures that need its networks."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reports import StudySummary, pictured, write_report
from spaces import InputError, in_one_line
from studies import ReportTable

if TYPE_CHECKING:
    from objectives import Explanations
    from search.cli.session import Session


def write_study_report(
    session: "Session",
    summary: StudySummary,
    folder: Path | None = None,
    table: ReportTable | None = None,
    *,
    trust_modules: bool = False,
) -> Path:
    """Write the report of `summary` and return its page; say so where pictures are left out.

    folder: default that of the study. table: what it shows, default what the study file says.
    """
    table = table or summary.report_table
    pictures: Explanations | str | None = None
    if "grad_cam" in table.show:
        try:
            session.allow_modules(trusted=trust_modules)
            pictures = _explained(session, summary, table.images)
        except InputError as error:
            pictures = in_one_line(error)
            session.console.print(
                f"Grad-CAM pictures are left out: {pictures}", style="yellow", highlight=False
            )
    return write_report(summary, folder or session.folder.report, table, pictures)


def _explained(
    session: "Session", summary: StudySummary, positions: Sequence[int]
) -> "Explanations":
    from objectives import explain  # With torch, which takes seconds.

    students = {
        f"trial {point.number}": point.chain.student
        for point in pictured(summary)
        if point.chain is not None
    }
    if not students:
        raise InputError("no student is on the front yet")
    return explain(session.config.setup(), session.folder.cache, students, positions)
