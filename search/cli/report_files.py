"""A study's report on disk, with what needs its networks: pictures, and a file's layers."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reports import StudySummary, advise, pick, pictured, write_report
from spaces import InputError, in_one_line
from studies import ReportTable

if TYPE_CHECKING:
    from objectives import Explanations, LayersOfPoint
    from search.cli.session import Session


def write_study_report(
    session: "Session",
    summary: StudySummary,
    folder: Path | None = None,
    table: ReportTable | None = None,
    *,
    trial: int | None = None,
    trust_modules: bool = False,
) -> Path:
    """Write the report of `summary` and return its page; say so where something is left out.

    folder: default that of the study. table: what it shows, default what the study file says.
    trial: whose layers it shows, default the point to ship. Raises InputError when they are asked
    for by trial and cannot be shown; nothing is written then.
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
    layers: LayersOfPoint | str | None = None
    if "layers" in table.show:
        try:
            session.allow_modules(trusted=trust_modules)
            layers = _layers(session, summary, trial)
        except InputError as error:
            if trial is not None:
                raise
            layers = in_one_line(error)
            session.console.print(f"Layers are left out: {layers}", style="yellow", highlight=False)
    return write_report(summary, folder or session.folder.report, table, pictures, layers)


def _layers(session: "Session", summary: StudySummary, trial: int | None) -> "LayersOfPoint":
    from objectives import PointOfStudy, device_fingerprint, layers_of  # With torch.

    point = advise(summary).point if trial is None else pick(summary, str(trial))
    if point is None:
        raise InputError("no point is worth shipping yet; --trial names one")
    student = None if point.chain is None else point.chain.student
    here = device_fingerprint()
    return layers_of(
        session.config.setup(),
        session.folder.cache,
        PointOfStudy(point.number, student, point.scheme),
        session.folder.layers / f"{point.number}.json",
        f"{here['processor']} ({here['cores']} cores), {here['system']}, {here['runtime']}",
    )


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
