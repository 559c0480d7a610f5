"""Makes a study in a storage, or opens the one that is there."""

import warnings
from typing import Literal

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage

from objectives import MEASURES
from spaces import InputError, in_one_line
from studies.loading import parse_stored
from studies.locks import study_lock
from studies.paths import with_moved_files
from studies.records import StudyAttr
from studies.schema import StudyConfig, differences

FORMAT = 2
"""Of what we keep in Optuna's attributes; raised when an older program could not read it."""

DIRECTIONS: dict[str, Literal["maximize", "minimize"]] = {
    **dict.fromkeys(MEASURES, "maximize"),
    "size_bytes": "minimize",
    "latency_ms": "minimize",
}


def create_or_resume(config: StudyConfig, storage: RDBStorage) -> optuna.Study:
    """Return the study of `config` in `storage`: a new one, or the one that has its name.

    What may change on resume (budget, workers, pruner, sampler, bounds, report) is stored anew.
    Raises InputError, with every difference, when what decides results has changed, and when the
    study of that name is not ours; nothing is written then. Several processes may call this at
    once.
    """
    with study_lock(storage, config.name)():
        study = check_resume(config, storage)
        if study is None:
            if config.name in study_names(storage):  # Its creator died.
                optuna.delete_study(study_name=config.name, storage=storage)
            return _create(config, storage)
        if stored_config(study) != config:
            study.set_user_attr(StudyAttr.CONFIG.value, config.to_dict())
        return study


def check_resume(config: StudyConfig, storage: RDBStorage) -> optuna.Study | None:
    """Return the study that `config` would go on with, None when it would be a new one.

    Writes nothing. Raises InputError as `create_or_resume` does.
    """
    if config.name not in study_names(storage):
        return None
    study = optuna.load_study(study_name=config.name, storage=storage)
    if _is_unfinished(study):
        return None
    old, new = stored_config(study).identity(), config.identity()
    changed = differences(with_moved_files(old, new), new)
    if changed:
        raise InputError(
            f"study {config.name!r} has begun under other settings: give the new ones another "
            "name (--set name=…) or undo\n  " + "\n  ".join(changed)
        )
    return study


def open_study(name: str, storage: RDBStorage) -> optuna.Study:
    """Return the study `name` in `storage`; raises InputError when it is missing or not ours."""
    names = study_names(storage)
    if name not in names:
        there = ", ".join(names) or "none"
        raise InputError(f"there is no study {name!r} in this storage: there are {there}")
    study = optuna.load_study(study_name=name, storage=storage)
    stored_config(study)
    return study


def stored_config(study: optuna.Study) -> StudyConfig:
    """Return the settings under which `study` runs; raises InputError when it is not ours."""
    attrs = study.user_attrs
    if StudyAttr.FORMAT not in attrs:
        raise InputError(
            f"study {study.study_name!r} was not made by search.run: take another name or storage"
        )
    if attrs[StudyAttr.FORMAT] != FORMAT:
        raise InputError(
            f"study {study.study_name!r} is of format {attrs[StudyAttr.FORMAT]}, and this program "
            f"reads format {FORMAT}"
        )
    source = f"the settings stored in {study.study_name!r}"
    try:
        return parse_stored(attrs[StudyAttr.CONFIG], source)
    except (InputError, AttributeError, KeyError, TypeError) as error:
        # What is no table at all has no fault of its own.
        words = in_one_line(error) if isinstance(error, InputError) else f"{source} are none"
        raise InputError(
            f"{words}; the study's record is damaged, or another version's of this program"
        ) from error


def _create(config: StudyConfig, storage: RDBStorage) -> optuna.Study:
    study = optuna.create_study(
        study_name=config.name,
        storage=storage,
        directions=[DIRECTIONS[name] for name in config.objectives],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # The only way to name objectives.
        study.set_metric_names(list(config.objectives))
    # The format comes last: a study that has it has everything.
    study.set_user_attr(StudyAttr.CONFIG.value, config.to_dict())
    study.set_user_attr(StudyAttr.FINGERPRINT.value, config.fingerprint)
    study.set_user_attr(StudyAttr.FORMAT.value, FORMAT)
    return study


def _is_unfinished(study: optuna.Study) -> bool:
    """Return whether the creator of `study` died before it had written all of it."""
    written_before_format = {StudyAttr.CONFIG.value, StudyAttr.FINGERPRINT.value}
    return study.user_attrs.keys() <= written_before_format and not study.get_trials(deepcopy=False)


def study_names(storage: RDBStorage) -> list[str]:
    """Return the names of all studies in `storage`, sorted."""
    return sorted(study.study_name for study in storage.get_all_studies())
