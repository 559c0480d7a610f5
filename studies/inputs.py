"""The inputs that a study has begun with, and whether they are still the same."""

from collections.abc import Iterable, Mapping

import optuna

from objectives import StudyInput
from spaces import InputError
from studies.records import StudyAttr


def check_inputs(study: optuna.Study, found: Iterable[StudyInput]) -> None:
    """Raise InputError, with every input that differs, unless `study` has begun with `found`.

    What was not recorded differs in nothing: a study of an older program has none.
    """
    recorded = study.user_attrs.get(StudyAttr.INPUTS, {}).get("content", {})
    if changed := changed_inputs(recorded, found):
        raise InputError(
            f"study {study.study_name!r} has begun with other inputs than are there now: "
            f"{changed}: put the old ones back, or search with the new ones under another name "
            "(--set name=…)"
        )


def changed_inputs(recorded: Mapping[str, str], found: Iterable[StudyInput]) -> str:
    """Return in words which of `found` differ from the recorded, by name; empty when none does."""
    changed = [each for each in found if recorded.get(each.name, each.digest) != each.digest]
    return ", ".join(f"{each.name} ({each.place})" for each in changed)


def record_inputs(study: optuna.Study, found: Iterable[StudyInput], stamp: str) -> None:
    """Check `found` as `check_inputs`, and keep what is not recorded yet.

    stamp: of the data's files, by which a later command knows that it need not read them; empty
    where it has to.
    """
    found = tuple(found)
    check_inputs(study, found)
    recorded = study.user_attrs.get(StudyAttr.INPUTS, {})
    content = recorded.get("content", {}) | {each.name: each.digest for each in found}
    kept = {"content": content, "data_stamp": stamp}
    if kept != recorded:
        study.set_user_attr(StudyAttr.INPUTS.value, kept)


def data_stamp_of(study: optuna.Study) -> str | None:
    """Return the stamp of the data's files when they were read last; None before."""
    stamp: str | None = study.user_attrs.get(StudyAttr.INPUTS, {}).get("data_stamp")
    return stamp
