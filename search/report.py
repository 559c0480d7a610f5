"""`python -m search.report`: write a study's report again, anywhere."""

from pathlib import Path
from typing import Annotated

import typer

from search.cli import (
    RUNS_DIR,
    RunsDirOption,
    StorageOption,
    StudyOption,
    make_app,
    run_app,
    usable,
    with_examples,
)


@with_examples(
    "--study kd_lora_q",
    "--study my_cameras --runs-dir /data/runs",
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
    runs_dir: RunsDirOption = RUNS_DIR,
    storage: StorageOption = None,
) -> None:
    """Write a study's report: one HTML page, with CSV and JSON beside it."""
    from reports import advise, front_table, write_report
    from search.cli import open_existing

    session = open_existing(study, runs_dir, storage)
    summary = session.summary()
    page = write_report(summary, out or session.folder.report)
    session.console.print(front_table(summary, session.console.width))
    session.console.print(advise(summary).sentence, style="bold", highlight=False)
    session.console.print(f"Report: {page}", highlight=False)


if __name__ == "__main__":
    run_app(make_app(report))
