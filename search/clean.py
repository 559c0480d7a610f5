"""`python -m search.clean`: drop from the stage cache what no study needs."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from search.cli import (
    RUNS_DIR,
    DryRunOption,
    RunsDirOption,
    StorageOption,
    TrustOption,
    make_app,
    run_app,
    with_examples,
)

if TYPE_CHECKING:
    from search.cli import Session
    from spaces import StudentConfig


@with_examples(
    "--dry-run",
    "--runs-dir /data/runs",
)
def clean(
    dry_run: DryRunOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    storage: StorageOption = None,
    trust_modules: TrustOption = False,
) -> None:
    """Drop from the cache of a runs folder what none of its studies needs.

    A study that has ended needs its teacher and its front. Any other needs every student that was
    not ruled out. What a command uses right now stays, and what is dropped can be trained again.
    """
    from objectives import StageCache, size_bytes
    from reports import counted, size
    from search.cli import command_console
    from studies import StudyFolder

    console = command_console()
    cache = StudyFolder(runs_dir, "any").cache
    before = size_bytes(cache / "stages")
    if not before:
        console.print(f"There is no stage in {cache}.", highlight=False)
        return
    needed: set[str] = set()
    for session in _sessions(runs_dir, storage):
        keys, words = _needed(session, trust_modules=trust_modules)
        console.print(f"{session.config.name}: {words}", highlight=False)
        needed |= keys
    dropped = StageCache(cache / "stages", before).drop_all_but(needed, dry_run=dry_run)
    words = f"{'Would drop' if dry_run else 'Dropped'} {counted(dropped.stages, 'stage')}, "
    words += f"{size(dropped.bytes)} of {size(before)}"
    if dropped.in_use:
        words += f"; left {counted(dropped.in_use, 'stage')} that a command uses right now"
    console.print(words, highlight=False)


def _sessions(runs_dir: Path, storage: str | None) -> "Iterator[Session]":
    """Yield every study whose cache lies in `runs_dir`.

    Raises InputError when one lies in a database that was not named: what it needs is not known.
    """
    from search.cli import open_existing
    from spaces import InputError
    from studies import open_storage, study_names

    own = {path.parent.name for path in runs_dir.glob("*/study.db")}
    elsewhere: set[str] = set()
    if storage is not None:
        elsewhere = set(study_names(open_storage(storage, must_exist=True)))
    folders = {path.parent.name for path in runs_dir.glob("*/artifacts")}
    if unknown := sorted(folders - own - elsewhere):
        raise InputError(
            f"{', '.join(unknown)} in {runs_dir} has its trials in another database: name it with "
            "--storage, or remove the folder of a study that is no more"
        )
    for name in sorted(own):
        yield open_existing(name, runs_dir, None)
    for name in sorted(elsewhere - own):
        yield open_existing(name, runs_dir, storage)


def _needed(session: "Session", *, trust_modules: bool) -> tuple[frozenset[str], str]:
    """Return the keys of the stages that a study needs, and in words which these are."""
    from objectives import keys_of_students
    from reports import counted
    from spaces import InputError, scheme_named

    is_finished = session.is_finished()
    students = _front(session) if is_finished else _open_students(session)
    try:
        session.allow_modules(trusted=trust_modules)
        schemes = [scheme_named(name) for name in session.config.search_space().schemes]
        keys = keys_of_students(session.config.setup(), students.values(), schemes)
    except InputError as error:
        return _recorded(session, None), f"all that its trials recorded is kept, as {error}"
    kept = counted(len(students), "student")
    why = "has ended: its front" if is_finished else "has not ended: all that was not ruled out"
    return keys | _recorded(session, set(students)), f"{why}, {kept}"


def _front(session: "Session") -> "dict[str, StudentConfig]":
    front = [member.point for member in session.summary().front]
    return {point.student: point.chain.student for point in front if point.chain is not None}


def _open_students(session: "Session") -> "dict[str, StudentConfig]":
    """Return every student that any trial has begun and none has ruled out."""
    from studies.records import begun_students

    ruled_out = {one.key for one in session.history().ruled_out}
    begun = begun_students(session.study)
    return {key: student for key, student in begun.items() if key not in ruled_out}


def _recorded(session: "Session", students: set[str] | None) -> frozenset[str]:
    """Return the keys of stages that trials recorded: of `students`, or of all; and the teachers'.

    They differ from today's where a library was changed since.
    """
    from studies.records import StudyAttr

    history = session.history()
    everyone = [*history.students, *history.pruned]
    attrs = session.study.user_attrs
    teachers = [attrs.get(StudyAttr.TEACHER, {}), *attrs.get(StudyAttr.TEACHERS, {}).values()]
    return frozenset(
        [
            *(record.key for one in everyone for record in one.stages
              if students is None or one.key in students),
            *(teacher["key"] for teacher in teachers if teacher),
        ]
    )  # fmt: skip


if __name__ == "__main__":
    run_app(make_app(clean))
