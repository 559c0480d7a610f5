"""`python -m search.status`: how far a study is, and what it spent and saved."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search.cli import (
    RUNS_DIR,
    RunsDirOption,
    StorageOption,
    StudyOption,
    make_app,
    run_app,
    with_examples,
)

if TYPE_CHECKING:
    from search.cli import Session, StudyEnd


@with_examples(
    "--study kd_lora_q",
    "--study kd_lora_q --json",
)
def status(
    study: StudyOption = "kd_lora_q",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    storage: StorageOption = None,
) -> None:
    """Show a study's trials by state, its front and hypervolume, and seconds spent and saved."""
    from reports import counted, size
    from search.cli import open_existing

    session = open_existing(study, runs_dir, storage)
    found = status_of(session)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    sampled = found["sampled"]
    print(
        f"{found['study']}: {sampled['ended']} of {counted(found['trials'], 'trial')} ended ("
        f"{sampled['complete']} complete, {sampled['pruned']} stopped, "
        f"{sampled['paused']} paused, {sampled['failed']} failed), "
        f"{sampled['running']} running or waiting"
    )
    print(
        f"{counted(found['points'], 'point')} ({found['offered']} offered), "
        f"{found['front']} on the front, hypervolume {found['hypervolume']:.4f}"
    )
    if (rate := found["hypervolume_per_hour"]) is not None:
        print(
            f"hypervolume per hour: {rate['so_far']:.4f} so far, {rate['lately']:.4f} over the "
            "last quarter of the time"
        )
    if words := found["study_end"]["words"]:
        print(words)
    for one in found["teachers"]:
        print(f"teacher {one['name']}: {one['words']}, {100 * one['accuracy']:.1f} %")
    seconds = found["seconds"]
    ways = ("stopping", "pausing", "reuse", "offers")
    saved = ", ".join(f"{seconds[f'saved_by_{way}']:.0f} s by {way}" for way in ways)
    print(
        f"training {seconds['spent']:.0f} s; saved: {saved}; "
        f"the audit cost {seconds['spent_on_audit']:.0f} s"
    )
    cache = session.folder.cache
    print(f"cache of all studies in {runs_dir}: {size(found['cache_bytes'])} in {cache}")


def status_of(session: "Session") -> dict[str, Any]:
    """Return the state of a study as plain JSON values."""
    from objectives import size_bytes
    from objectives.fronts import hypervolume
    from reports import hypervolume_rate, savings
    from spaces import InputError

    history = session.history()
    saved = savings(history)
    try:
        summary = session.summary()
    except InputError:  # It has no cost table yet, and so neither points nor a front.
        front, volume, rate, study_end = 0, 0.0, None, None
        members: list[dict[str, Any]] = []
        teachers: list[dict[str, Any]] = []
    else:
        teachers = [asdict(one) for one in summary.teachers]
        front = len(summary.front)
        members = [
            {"trial": number, "probability": summary.front_probability[number]}
            for number in (member.point.number for member in summary.front)
        ]
        volume = hypervolume(history.points, summary.reference, summary.objectives)
        rate = hypervolume_rate(summary)
        study_end = session.study_end(summary)
    return {
        "study": session.config.name,
        "trials": session.config.trials,
        "sampled": {
            "ended": history.ended,
            "complete": len(history.students),
            "pruned": len(history.ruled_out),
            "paused": len(history.waiting),
            "failed": len(history.failed_for_good),
            "interrupted": sum(failure.kind == "interrupted" for failure in history.failed),
            "running": len(history.running),
        },
        "distinct_students": len({student.key for student in history.students}),
        "points": len(history.points),
        "offered": sum(point.origin == "offered" for point in history.points),
        "front": front,
        "front_members": members,
        "teachers": teachers,
        "hypervolume": volume,
        "hypervolume_per_hour": None if rate is None else asdict(rate),
        "study_end": _as_json(study_end),
        "seconds": {
            "spent": saved.trained_s,
            "saved_by_stopping": saved.stopping_s,
            "saved_by_pausing": saved.pausing_s,
            "saved_by_reuse": saved.reused_s,
            "saved_by_offers": saved.offers_s - saved.offering_s,
            "spent_on_audit": saved.audit_s,
        },
        "cache_bytes": size_bytes(session.folder.cache),
    }


def _as_json(study_end: "StudyEnd | None") -> dict[str, Any]:
    hour = None if study_end is None else study_end.next_hour
    return {
        "ended_by": None if study_end is None else study_end.ended_by,
        "words": "" if study_end is None else study_end.words,
        "expected_share_of_next_hour": None if hour is None else hour.share,
    }


if __name__ == "__main__":
    run_app(make_app(status))
