"""What is searched: study files, the storage a study lies in, and what it has recorded."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studies.folder import StudyFolder, made_folders
    from studies.loading import built_in_studies, load_study, parse_study
    from studies.locks import Lock, preparation_lock, study_lock
    from studies.opening import (
        DIRECTIONS,
        check_resume,
        create_or_resume,
        open_study,
        stored_config,
    )
    from studies.schema import OBJECTIVES, StudyConfig
    from studies.storage import open_storage

_WHERE = {
    "DIRECTIONS": "opening",
    "OBJECTIVES": "schema",
    "Lock": "locks",
    "StudyConfig": "schema",
    "StudyFolder": "folder",
    "built_in_studies": "loading",
    "check_resume": "opening",
    "create_or_resume": "opening",
    "load_study": "loading",
    "made_folders": "folder",
    "open_storage": "storage",
    "open_study": "opening",
    "parse_study": "loading",
    "preparation_lock": "locks",
    "stored_config": "opening",
    "study_lock": "locks",
}
"""By name: the module that has it, imported when it is asked for (`--help` needs no database)."""


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)


__all__ = [
    "DIRECTIONS",
    "OBJECTIVES",
    "Lock",
    "StudyConfig",
    "StudyFolder",
    "built_in_studies",
    "check_resume",
    "create_or_resume",
    "load_study",
    "made_folders",
    "open_storage",
    "open_study",
    "parse_study",
    "preparation_lock",
    "stored_config",
    "study_lock",
]
