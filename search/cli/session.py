"""A study opened by a command on this machine: its settings, files, storage and what it shows."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
from optuna.storages import RDBStorage
from rich.console import Console

from reports import StudySummary, counted
from search.cli.progress import Pace, ProgressView
from search.cli.study_checks import check_same_files, check_study, exported
from search.cli.study_costs import check_costs, read_study_costs
from search.cli.study_end import StudyEnd, study_end_of
from search.cli.trust import allow_modules
from search.workers import is_of_the_machine, shared_stages
from spaces import InputError, to_dict
from studies import (
    StudyConfig,
    StudyFolder,
    check_resume,
    create_or_resume,
    holds_studies,
    load_study,
    open_storage,
    open_study,
    path_notes,
    stored_config,
    study_names,
)
from studies.records import History, HistoryReader, StudyAttr, costs_of, is_late

if TYPE_CHECKING:  # It needs torch.
    from objectives import Workbench

_DASHBOARD_EVERY_S = 30.0

_FILE_WIDTH = 140
"""Characters in a line of a file or a pipe, which have no width of their own."""


def command_console() -> Console:
    """Return what a command prints on: as wide as the terminal, or as a log can bear.

    What it prints is text: that of others, a fault's or a folder's name, may look like markup.
    """
    console = Console(soft_wrap=True, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _FILE_WIDTH
    return console


@dataclass
class Session:
    """One command's view of one study."""

    config: StudyConfig
    folder: StudyFolder
    storage: RDBStorage
    study: optuna.Study
    console: Console = field(default_factory=command_console)
    _drawn_at: float = 0.0
    _drawn: tuple[int, int] = (0, 0)

    @cached_property
    def _reader(self) -> HistoryReader:
        return HistoryReader(self.study, self.storage)

    def history(self) -> History:
        """Return everything the trials say now."""
        return self._reader.read()

    def summary(self) -> StudySummary:
        """Return everything the study says now; raises InputError before it has a cost table."""
        attrs = self.study.user_attrs
        return StudySummary.of(self.study.study_name, attrs, self.history())

    def study_end(self, summary: StudySummary | None = None) -> StudyEnd:
        """Return whether the study is at its end and why; raises as `summary` does.

        summary: as it is now, where somebody has it already.
        """
        return study_end_of(self.config, summary or self.summary())

    def is_finished(self) -> bool:
        """Whether there is nothing left to run, and the front was scored."""
        if not self.history().ended:
            return False
        summary = self.summary()
        if summary.front_fingerprint not in summary.test_scores:
            return False
        ended_by = self.study_end(summary).ended_by
        if ended_by == "least_gain":  # The search has enough; its report may lack baselines yet.
            return not any(map(is_late, self.study.get_trials(deepcopy=False)))
        return ended_by is not None

    def changed_device(self) -> list[str]:
        """Return in words how this machine differs from the one whose costs the study has."""
        from objectives import device_fingerprint, difference

        costs = costs_of(self.study)
        if costs is None or costs.imported:
            return []
        return difference(costs.device, device_fingerprint(costs.runtime))

    def progress_view(self) -> ProgressView:
        """Return the view of a search that begins or goes on now."""
        history = self.history()
        trials = self.study.get_trials(deepcopy=False)
        ended = [student.number for student in history.students]
        ended += [pruned.number for pruned in history.pruned]
        durations = [trials[number].duration for number in ended]
        config = self.config
        names = dict.fromkeys(each.architecture for each in config.search_space().networks)
        students = " or ".join(names)
        return ProgressView(
            self.console,
            f"Distilfront {config.name}: {config.teacher.architecture} → "
            f"{students} on {config.data.name} at {config.data.image_size} px, "
            f"{counted(config.trials, 'trial')}, {counted(config.workers, 'worker')}",
            total=config.trials,
            ended=history.ended,
            points=len(history.points),
            stopped=len(history.ruled_out),
            pace=Pace(
                config.workers, [took.total_seconds() for took in durations if took is not None]
            ),
        )

    def allow_modules(self, *, trusted: bool) -> None:
        """Let the modules of a stored study be imported, or raise InputError."""
        allow_modules_of(self.config, trusted=trusted)

    def workbench(self, cache: str | None = None) -> "Workbench":
        """Return a bench for the study's stages, with what machines share at the URL `cache`."""
        from objectives import Workbench

        def tell(words: str) -> None:
            self.console.print(words, style="yellow", highlight=False)

        shared = None if cache is None else shared_stages(cache, self.storage, tell)
        return Workbench(self.config.setup(), self.folder.cache, shared=shared)

    def refresh_dashboard(self, *, now: bool = False) -> None:
        """Draw the study's figures for the dashboard, not too often and only if there is news."""
        if not now and time.monotonic() - self._drawn_at < _DASHBOARD_EVERY_S:
            return
        self._drawn_at = time.monotonic()
        try:
            self._draw()
        except Exception as error:
            # While workers run, it is theirs to say so and to end.
            if now or not is_of_the_machine(error):
                raise

    def _draw(self) -> None:
        from reports import save_study_figures

        history = self.history()
        news = (len(history.points), history.ended)
        if StudyAttr.COSTS in self.study.user_attrs and news != self._drawn:
            self._drawn = news
            save_study_figures(self.study, self.summary())


def allow_modules_of(config: StudyConfig, *, trusted: bool) -> None:
    """Let the modules of a stored study be imported, or raise InputError."""
    allow_modules(config.users_functions, config.modules, f"study {config.name!r}", trusted=trusted)


def storage_target(folder: StudyFolder, storage: str | None) -> str | Path:
    """Return what open_storage opens: the URL, or the SQLite file of the study's folder."""
    return folder.database if storage is None else storage


def open_session(
    study: str,
    settings: Sequence[str],
    runs_dir: Path,
    storage: str | None,
    costs: Path | None = None,
    *,
    trust_modules: bool = False,
) -> Session:
    """Make a study, or open the one that is there, to be searched.

    Everything the user gave is checked before anything is written.
    """
    config = load_told(study, settings, trust_modules=trust_modules)
    folder = StudyFolder(runs_dir, config.name)
    table = None if costs is None else read_study_costs(costs, config)
    console = command_console()
    target = storage_target(folder, storage)
    with folder.created():
        # What takes a moment first: networks are built, tried and exported for many seconds.
        checked = None if _has_begun(target, config.name) else check_study(config)
        if checked is not None:
            console.print(f"Data: {checked.data}", highlight=False)
        with exported(checked, folder, table, console):
            opened = _open(target)
            begun = check_resume(config, opened)
            if begun is not None:
                check_same_files(begun, config)
            if begun is not None and table is not None:
                check_costs(begun, table, costs)
            made = create_or_resume(config, opened)
        if checked is not None:
            made.set_user_attr(StudyAttr.DATA.value, checked.data)
            made.set_user_attr(StudyAttr.CLASSES.value, list(checked.class_names))
        elif StudyAttr.DATA in made.user_attrs:
            console.print(f"Data: {made.user_attrs[StudyAttr.DATA]}", highlight=False)
        session = Session(config, folder, opened, made, console)
    if table is not None:
        session.study.set_user_attr(StudyAttr.COSTS.value, to_dict(table))
    return session


def _has_begun(target: str | Path, name: str) -> bool:
    """Say whether the study lies in a storage; raises InputError where that cannot be used."""
    if not holds_studies(target):
        return False
    opened = _open(target, must_exist=True)
    names = study_names(opened)
    opened.engine.dispose()
    return name in names


def load_told(study: str, settings: Sequence[str], *, trust_modules: bool) -> StudyConfig:
    """Return the study, its modules allowed; say which of its paths were not beside its file."""
    config = load_study(study, settings)
    allow_modules(config.users_functions, config.modules, study, trusted=trust_modules)
    for note in path_notes(study):
        command_console().print(f"{study}: {note}", style="yellow", highlight=False)
    return config


def _open(target: str | Path, *, must_exist: bool = False) -> RDBStorage:
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # What it does, the command says itself.
    return open_storage(target, must_exist=must_exist)


def open_existing(study: str, runs_dir: Path, storage: str | None) -> Session:
    """Open a study that search.run has begun, with the settings it was begun under.

    `study` is its name, or the file or built-in that it came from.
    """
    name = load_study(study).name if study.endswith(".toml") else study
    folder = StudyFolder(runs_dir, name)
    if storage is None and not folder.database.exists():
        there = sorted(path.parent.name for path in runs_dir.glob("*/study.db"))
        raise InputError(
            f"there is no study {name!r} in {runs_dir}: there "
            + (f"are {', '.join(there)}" if there else "is none; search.run makes one")
        )
    opened = _open(storage_target(folder, storage), must_exist=True)
    found = open_study(name, opened)
    return Session(stored_config(found), folder, opened, found)
