"""Costs that the user brings with --costs: read, and checked against the study."""

from pathlib import Path

import optuna

from objectives import CostTable
from reports import counted
from spaces import InputError, scheme_named
from studies import StudyConfig
from studies.records import costs_of


def read_study_costs(path: Path, config: StudyConfig) -> CostTable:
    """Return the costs that a bundle's profile wrote to `path`; InputError unless of this study."""
    from objectives import read_costs

    teacher, space = config.setup().teacher.network, config.search_space()
    layouts = [scheme_named(name).layout.key for name in ("fp32", *space.schemes)]
    required = [(one, layout) for one in (teacher, *space.networks_trained) for layout in layouts]
    table = read_costs(path, required)
    if table.runtime != config.runtime.name:
        raise InputError(
            f"{path} was measured with {table.runtime}, and the study runs {config.runtime.name}"
        )
    if table.threads != config.runtime.threads:
        raise InputError(
            f"{path} was measured with {counted(table.threads, 'thread')}, and the study runs "
            f"{config.runtime.threads} ([runtime] threads)"
        )
    if table.teacher != teacher.key:
        raise InputError(f"{path} has the teacher {table.teacher}, and the study has {teacher.key}")
    return table


def check_costs(study: optuna.Study, table: CostTable, path: Path | None) -> None:
    """Raise InputError where a begun study has other costs than `table`, read from `path`."""
    known = costs_of(study)
    if known is not None and known != table:
        raise InputError(
            f"study {study.study_name!r} has begun with other costs than {path}: go on without "
            "--costs, or take another name (--set name=…)"
        )
