"""`python -m search.report`: write a study's report again, anywhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from search.cli import (
    RUNS_DIR,
    RunsDirOption,
    StorageOption,
    StudyOption,
    TrustOption,
    make_app,
    run_app,
    usable,
    with_examples,
)

if TYPE_CHECKING:
    from search.cli import Session
    from studies import ReportTable


@with_examples(
    "--study kd_lora_q",
    "--study kd_lora_q --show calibration,class_accuracy",
    "--study kd_lora_q --show layers --trial 42",
    "--study my_cameras --runs-dir /data/runs --show grad_cam --images 3,17",
)
def report(
    study: StudyOption = "kd_lora_q",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder to write; default: report in the study's folder.",
            callback=usable,
        ),
    ] = None,
    show: Annotated[
        str | None,
        typer.Option(
            "--show",
            help="What it shows beside the front, instead of what [report] of the study file says: "
            "kl_to_teacher, mutual_information, calibration, class_accuracy, grad_cam, layers, "
            "compressed.",
            metavar="LIST",
        ),
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(
            "--images",
            help="Positions in the test split, as 3,17, of the images that grad_cam shows.",
            metavar="LIST",
        ),
    ] = None,
    trial: Annotated[
        int | None,
        typer.Option("--trial", help="Whose file layers shows; default: the point to ship.", min=0),
    ] = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    storage: StorageOption = None,
    trust_modules: TrustOption = False,
) -> None:
    """Write a study's report: one HTML page, with CSV and JSON beside it."""
    from reports import advise, front_table
    from search.cli import open_existing, write_study_report
    from spaces import InputError

    session = open_existing(study, runs_dir, storage)
    table = _table(session, show, images)
    if trial is not None and "layers" not in table.show:
        raise InputError("--trial is whose layers are shown, and they are not: add them to --show")
    summary = session.summary()
    page = write_study_report(
        session, summary, out, table, trial=trial, trust_modules=trust_modules
    )
    session.console.print(front_table(summary, session.console.width))
    session.console.print(advise(summary).sentence, style="bold", highlight=False)
    session.console.print(f"Report: {page}", highlight=False)


def _table(session: "Session", show: str | None, images: str | None) -> "ReportTable":
    """Return what the options say, and of what they do not say, the study file."""
    from spaces import InputError
    from studies import parse_study

    said = {
        key: [word.strip() for word in text.split(",") if word.strip()]
        for key, text in (("show", show), ("images", images))
        if text is not None
    }
    values = session.config.to_dict()
    table = parse_study(values | {"report": values["report"] | said}, "--show and --images").report
    if images is not None:
        if "grad_cam" not in table.show:
            raise InputError("--images are those of grad_cam, which is not shown: add it to --show")
        from objectives import check_explaining, load_data  # With torch, which takes seconds.

        data = load_data(session.config.setup().data)
        check_explaining(table.images, data.images_in("test"))
    return table


if __name__ == "__main__":
    run_app(make_app(report))
