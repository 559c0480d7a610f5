"""What is found out about a study before it is written, or goes on: networks, exports, files."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import optuna
from rich.console import Console

from objectives import CostTable
from studies import StudyConfig, StudyFolder, check_inputs, data_stamp_of

if TYPE_CHECKING:  # It needs torch, which takes seconds.
    from objectives import CheckedSetup


def check_study(config: StudyConfig) -> "CheckedSetup":
    """Return what check_setup says of a study: every network of it was built and run."""
    from objectives import check_explaining, check_setup

    space = config.search_space()
    checked = check_setup(config.setup(), space.networks, space.schemes, space.tried)
    if "grad_cam" in config.report.show:
        check_explaining(config.report.images, checked.test_images)
    return checked


@contextmanager
def exported(
    checked: "CheckedSetup | None", folder: StudyFolder, table: CostTable | None, console: Console
) -> Iterator[None]:
    """Export what is new of a study that has not begun; kept if the block ends well.

    table: costs that it is to be searched with; they are to be of such exports.
    """
    if checked is None:
        yield
        return
    names = ", ".join(one.key for one in checked.to_export)
    console.print(f"Exporting {names}, where the cache has no export", highlight=False)
    with checked.exported(folder.cache) as cache:
        if table is not None:
            from objectives import Workbench, check_sizes

            with Workbench(checked.setup, cache) as workbench:
                check_sizes(table, workbench, checked.to_export, checked.schemes)
        yield


def check_same_files(study: optuna.Study, config: StudyConfig) -> None:
    """Raise InputError unless the files of a begun study are the ones it has begun with."""
    from objectives import data_stamp, file_inputs

    setup, stamp = config.setup(), data_stamp_of(study)
    space = config.search_space()
    check_inputs(study, file_inputs(setup, space.networks, space.tried))
    if stamp is not None and (not stamp or stamp != data_stamp(setup.data)):
        from objectives import data_inputs, load_data  # With torch, which takes seconds.

        check_inputs(study, data_inputs(load_data(setup.data)))
