"""`python -m search.run`: search a study, or go on with it, and show the front."""

import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from search.cli import (
    EXIT_FAULT,
    EXIT_INTERRUPTED,
    RUNS_DIR,
    CacheOption,
    DryRunOption,
    RunsDirOption,
    SetOption,
    StorageOption,
    StudyOption,
    TimeoutOption,
    TrustOption,
    fail,
    make_app,
    parse_duration_s,
    run_app,
    usable,
    with_examples,
)

if TYPE_CHECKING:
    from search.cli import Session


@with_examples(
    "--study kd_lora_q",
    "--study my_cameras.toml --dry-run",
    "--study my_cameras.toml --trials 60 --workers 4 --set data.train_limit=5000",
)
def run(
    study: StudyOption = "kd_lora_q",
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials", help="Sampled trials the study shall have in all, baselines among them."
        ),
    ] = None,
    least_gain: Annotated[
        float | None,
        typer.Option(
            "--least-gain",
            help="End when the next hour is expected to add less than this share of the "
            "hypervolume, as 0.01; 0 never does.",
        ),
    ] = None,
    timeout: TimeoutOption = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes that run trials on this machine.")
    ] = None,
    launcher: Annotated[
        Literal["local", "ray"],
        typer.Option(
            "--launcher", help="Where workers run: here, or where a Ray cluster has room."
        ),
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            "--address", help="Of the Ray cluster: auto, or ray://HOST:10001.", metavar="URL"
        ),
    ] = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    storage: StorageOption = None,
    cache: CacheOption = None,
    sampler: Annotated[
        str | None,
        typer.Option("--sampler", help="ehvi, tpe, nsgaii, gp, random or qmc.", metavar="NAME"),
    ] = None,
    pruner: Annotated[
        str | None,
        typer.Option("--pruner", help="freeze_thaw, known_costs or none.", metavar="NAME"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Of the teacher, the students and the sampler.")
    ] = None,
    costs: Annotated[
        Path | None,
        typer.Option(
            "--costs",
            help="costs.json that search.profile's bundle wrote on a device.",
            callback=usable,
        ),
    ] = None,
    overrides: SetOption = None,
    trust_modules: TrustOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Search a study, or go on with it where it stopped, and show its front."""
    # The imports alone take seconds, and nobody should wait before an empty screen.
    print(f"Distilfront: looking at study {study}, its data and its networks", flush=True)
    from search.cli import check_launcher, open_session

    named = {
        "trials": trials,
        "least_gain_per_hour": least_gain,
        "workers": workers,
        "sampler.name": sampler,
        "pruning.name": pruner,
        "seed": seed,
    }
    settings = [
        *(overrides or []),
        *(f"{key}={value}" for key, value in named.items() if value is not None),
    ]
    check_launcher(launcher, address, storage, cache)
    until_s = math.inf if timeout is None else time.monotonic() + parse_duration_s(timeout)
    if dry_run:
        _show_plan(study, settings, trust_modules=trust_modules)
        return
    session = open_session(study, settings, runs_dir, storage, costs, trust_modules=trust_modules)
    if changed := session.changed_device():
        session.console.print(
            f"Costs were measured on another machine ({'; '.join(changed)}) and are kept; to "
            "search for this one, take another name (--set name=…).",
            style="yellow",
            highlight=False,
        )
    interrupted = not session.is_finished() and _search(
        session, launcher, address, runs_dir, storage, cache, until_s
    )
    _show(session, interrupted=interrupted)
    if interrupted:
        sys.exit(EXIT_INTERRUPTED)
    _fail_if_all_failed(session)


def _show_plan(study: str, settings: list[str], *, trust_modules: bool) -> None:
    """Print what the study would do; whatever would be refused is refused."""
    from search.cli import check_study, command_console, load_told, show_plan
    from studies import origins_of

    config, console = load_told(study, settings, trust_modules=trust_modules), command_console()
    checked = check_study(config)
    console.print(f"Data: {checked.data}", highlight=False)
    show_plan(console, config, origins_of(study, settings))
    names = ", ".join(one.key for one in checked.to_export)
    console.print(
        f"Every network was built, run, saved and loaded. Not tried here, as it takes seconds for "
        f"each: the export of {names}, with which the search begins.",
        highlight=False,
    )


def _search(
    session: "Session",
    launcher: str,
    address: str | None,
    runs_dir: Path,
    storage: str | None,
    cache: str | None,
    until_s: float,
) -> bool:
    """Run the workers to their end; return True when the person interrupted them.

    until_s: time.monotonic() after which they are asked to stop, and later made to.
    """
    from search.cli import Watch, costs_measurer, launched, tell_failure

    for launch in (costs_measurer, launched):
        workers = launch(session, launcher, address, runs_dir, storage, cache)
        if workers is None:
            continue
        with session.progress_view() as view:
            watch = Watch(workers, view, until_s)
            watch.run(session.refresh_dashboard)
        if watch.failed and watch.interrupts < 2:
            tell_failure(session, watch.failed)
        if watch.interrupts:  # Before others begin elsewhere.
            return True
    return False


def _fail_if_all_failed(session: "Session") -> None:
    """Exit with a fault where trials have ended and each of them has failed."""
    from reports import counted

    history = session.history()
    failed = history.failed_for_good
    if failed and not (history.students or history.pruned or history.running):
        fail(
            f"nothing was found: {counted(len(failed), 'trial')} ended, all by faults, the last by "
            f"{failed[-1].reason}",
            EXIT_FAULT,
        )


def _show(session: "Session", *, interrupted: bool) -> None:
    """Draw, write and print what was found."""
    from reports import advise, counted, front_table, no_faster
    from search.cli import write_study_report
    from spaces import InputError

    console = session.console
    again = "the same command goes on where this stopped"
    try:
        summary = session.summary()
    except InputError:
        console.print(f"Stopped before the first trial; {again}.")
        return
    session.refresh_dashboard(now=True)
    # Whoever is here has let its modules be imported already.
    page = write_study_report(session, summary, trust_modules=True)
    console.print(front_table(summary, console.width))
    console.print(advise(summary).sentence, style="bold", highlight=False)
    console.print(f"Report: {page}", highlight=False)
    for sentence in no_faster(summary):
        console.print(f"Note: {sentence}.", style="yellow", highlight=False)
    if busy := summary.costs.busy_words:
        console.print(
            f"Note: {busy}. Latencies may be off; under another name (--set name=…) they are "
            "measured anew, and nothing is trained twice.",
            style="yellow",
            highlight=False,
        )
    failed = summary.history.failed_for_good
    if failed:
        console.print(
            f"{counted(len(failed), 'trial')} failed, last trial {failed[-1].number}: "
            f"{failed[-1].reason}",
            style="yellow",
            highlight=False,
        )
    study_end = session.study_end(summary)
    words = f"{study_end.ended} of {counted(study_end.trials, 'trial')} ended; {again}."
    if study_end.ended_by is not None and not interrupted:
        words = study_end.words
    console.print(words, highlight=False)


if __name__ == "__main__":
    run_app(make_app(run))
