"""What one worker process does from its start to its end."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import optuna
from optuna.artifacts import FileSystemArtifactStore
from optuna.storages import RDBStorage

from objectives import MEASURES, Workbench, data_stamp, study_inputs
from search.problem import SearchProblem, check_bounds
from search.strategy import parts_named
from search.workers.claims import open_claims
from search.workers.epoch_monitor import ReleasedError
from search.workers.events import Event, Noted, TrialEnded
from search.workers.prepare import measure_only, prepare
from search.workers.presenter import DashboardPresenter
from search.workers.run_trials import Bench, Worker
from search.workers.shared import shared_stages
from search.workers.stop_signal import StopSignal
from search.workers.test_scores import score_front
from studies import (
    StudyConfig,
    StudyFolder,
    open_storage,
    open_study,
    preparation_lock,
    record_inputs,
    stored_config,
    was_cut_off,
)
from studies.records import HistoryReader

log = logging.getLogger(__name__)

_CUTS = 5
"""Connections that may break in use, one after another, before a trial has ended."""


def work(
    name: str,
    runs_dir: Path,
    storage_url: str | None,
    cache_url: str | None,
    index: int,
    stop_signal: StopSignal,
    emit: Callable[[Event], None],
    allow: Callable[[StudyConfig], None],
    *,
    measures_only: bool = False,
) -> None:
    """Run trials of a study until enough have ended, then score its front on the test split.

    Its settings are those in the storage: its file may be on another machine. `allow` raises
    InputError where the modules that they name may not be imported. measures_only: measure the
    costs, and run nothing. Raises ReleasedError when a stop was asked for.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = StudyFolder(runs_dir, name)

    def tell(words: str) -> None:
        emit(Noted(words))

    storage = open_storage(storage_url or folder.database, tell=tell)
    config = stored_config(open_study(name, storage))
    allow(config)
    shared = None if cache_url is None else shared_stages(cache_url, storage, tell)
    bench = partial(Workbench, config.setup(), folder.cache, shared=shared)
    run, cuts = _measure if measures_only else _work, 0

    def emit_and_count(event: Event) -> None:
        nonlocal cuts
        cuts = 0 if isinstance(event, TrialEnded) else cuts
        emit(event)

    while True:
        try:
            run(config, bench, folder, storage, index, stop_signal, emit_and_count, again=cuts > 0)
        except Exception as error:
            cuts += 1
            if not was_cut_off(error) or cuts > _CUTS:
                raise
            log.exception("the connection to the database was cut")
            tell("the connection to the database was cut: a new one is made")
        else:
            return


def _measure(
    config: StudyConfig,
    bench_of: Callable[[], Workbench],
    folder: StudyFolder,  # noqa: ARG001
    storage: RDBStorage,
    index: int,  # noqa: ARG001
    stop_signal: StopSignal,
    emit: Callable[[Event], None],
    *,
    again: bool,  # noqa: ARG001
) -> None:
    study, lock = open_study(config.name, storage), preparation_lock(storage, config.name)
    with bench_of() as workbench:
        measure_only(study, config, lock, workbench, stop_signal, emit)


def _work(
    config: StudyConfig,
    bench_of: Callable[[], Workbench],
    folder: StudyFolder,
    storage: RDBStorage,
    index: int,
    stop_signal: StopSignal,
    emit: Callable[[Event], None],
    *,
    again: bool,
) -> None:
    """Do what `work` does; `again` where the same process was cut off while it did.

    All that is made is kept in the cache and the storage as soon as it is there, so that it may be
    begun anew at any point.
    """
    study = open_study(config.name, storage)
    lock = preparation_lock(storage, config.name)
    with bench_of() as workbench:
        space = config.search_space()
        inputs = study_inputs(workbench.setup, space.networks, workbench.data, space.tried)
        record_inputs(study, inputs, data_stamp(workbench.setup.data))
        teacher, costs = prepare(
            study, config, lock, workbench, stop_signal, emit, templates_first=index % 2 == 1
        )
        itself = costs.of(costs.teacher, "fp32")
        bounds = config.bounds.of(teacher.accuracy, itself)
        problem = SearchProblem(
            config.search_space(),
            costs,
            bounds.reference(itself),
            MEASURES[workbench.setup.measure].images_worth(
                workbench.data.class_counts("validation")
            ),
            teacher.accuracy,
            config.objectives,
            bounds,
        )
        check_bounds(problem)
        reader = HistoryReader(study, storage)
        parts = parts_named(
            config.sampler.name,
            config.pruning.name,
            problem,
            trials=config.trials,
            seed=config.seed,
            startup=config.sampler.startup,
            delta=config.pruning.delta,
            audit_share=config.pruning.audit_share,
            least_gain_per_hour=config.least_gain_per_hour,
            workers=config.workers,
            reader=reader,
        )
        study.sampler = parts.sampler
        bench = Bench(
            config=config,
            study=study,
            reader=reader,
            workbench=workbench,
            problem=problem,
            pruner=parts.pruner,
            presenter=DashboardPresenter(
                study,
                FileSystemArtifactStore(str(folder.artifacts)),
                workbench.data.class_names,
            ),
        )
        claims = open_claims(study, storage, reader, parts.scheduler, parts.enough)
        if again:
            claims.release_own()
        Worker(bench, claims, stop_signal, emit).run(config.trials)
        if stop_signal.stopping:
            raise ReleasedError
        score_front(study, workbench, lock, emit)
